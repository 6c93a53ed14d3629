//! main CLIENT URL: a GET, then a POST of 1 MiB; prints what came back. main CLIENT URL events: a stream, with a word for each event.
//! The client is "http1", "default", which chooses HTTP/2 where that is offered, or "native", which is that with the TLS of the system.
//! main ureq URL [ROOTS]: a GET by a client that trusts the roots which are built into it, or those of a file, and no others.
//! main features: "native" where it was built with that.
use reqwest::blocking::{Client, Response};
use std::io::{BufRead, BufReader};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

fn main() -> Result {
    let args: Vec<String> = std::env::args().collect();
    if args.len() == 2 {
        println!("{}", if cfg!(feature = "native") { "native" } else { "" });
        return Ok(());
    }
    let (name, url, more) = (args[1].as_str(), &args[2], args.get(3));
    if name == "ureq" {
        return by_ureq(url, more);
    }
    let builder = Client::builder().timeout(None);
    let client = match name {
        "http1" => builder.http1_only(),
        #[cfg(feature = "native")]
        "native" => builder.tls_backend_native(),
        "default" => builder,
        _ => return Err("no such client".into()),
    }
    .build()?;
    if more.is_some() {
        return stream(&client, url);
    }
    show(client.get(url).send()?)?;
    show(client.post(url).body("x".repeat(1 << 20)).send()?)
}

fn show(answer: Response) -> Result {
    print!("{}", answer.text()?);
    Ok(())
}

fn stream(client: &Client, url: &str) -> Result {
    for line in BufReader::new(client.get(format!("{url}events")).send()?).lines() {
        if let Some(data) = line.expect("a whole line").strip_prefix("data: ") {
            println!("{data}");
            client.post(format!("{url}ack")).send()?;
        }
    }
    Ok(())
}

fn by_ureq(url: &str, roots: Option<&String>) -> Result {
    use ureq::tls::{Certificate, RootCerts, TlsConfig};
    let mut tls = TlsConfig::builder();
    if let Some(path) = roots {
        let root = Certificate::from_pem(&std::fs::read(path)?)?;
        tls = tls.root_certs(RootCerts::new_with_certs(&[root]));
    }
    let agent: ureq::Agent = ureq::Agent::config_builder().tls_config(tls.build()).build().into();
    let mut answer = agent.get(url).header("authorization", "Bearer of-the-sandbox").call()?;
    print!("{}", answer.body_mut().read_to_string()?);
    Ok(())
}
