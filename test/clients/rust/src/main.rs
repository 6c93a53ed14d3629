//! main CLIENT URL: a GET, then a POST of 1 MiB; prints what came back. main CLIENT URL events: a stream, with a word for each event.
//! The client is "http1", or "default": it chooses HTTP/2 where that is offered.
use reqwest::blocking::{Client, Response};
use std::io::{BufRead, BufReader};

fn main() -> Result<(), reqwest::Error> {
    let args: Vec<String> = std::env::args().collect();
    let url = &args[2];
    let builder = Client::builder().timeout(None);
    let client = if args[1] == "http1" { builder.http1_only() } else { builder }.build()?;
    if args.len() > 3 {
        return stream(&client, url);
    }
    show(client.get(url).send()?)?;
    show(client.post(url).body("x".repeat(1 << 20)).send()?)
}

fn show(answer: Response) -> Result<(), reqwest::Error> {
    print!("{}", answer.text()?);
    Ok(())
}

fn stream(client: &Client, url: &str) -> Result<(), reqwest::Error> {
    for line in BufReader::new(client.get(format!("{url}events")).send()?).lines() {
        if let Some(data) = line.expect("a whole line").strip_prefix("data: ") {
            println!("{data}");
            client.post(format!("{url}ack")).send()?;
        }
    }
    Ok(())
}
