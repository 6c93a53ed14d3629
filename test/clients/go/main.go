// main CLIENT URL: a GET, then a POST of 1 MiB; prints what came back. main CLIENT URL events: a stream, with a word for each event.
// The client is "http1", or "default": Go chooses HTTP/2 where it is offered.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	client, url := http.DefaultClient, os.Args[2]
	if os.Args[1] == "http1" {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		transport.TLSClientConfig = &tls.Config{NextProtos: []string{"http/1.1"}}
		client = &http.Client{Transport: transport}
	}
	if len(os.Args) > 3 {
		stream(client, url)
		return
	}
	show(client.Get(url))
	show(client.Post(url, "text/plain", bytes.NewReader(bytes.Repeat([]byte("x"), 1<<20))))
}

func show(answer *http.Response, err error) {
	check(err)
	defer answer.Body.Close()
	_, err = io.Copy(os.Stdout, answer.Body)
	check(err)
}

func stream(client *http.Client, url string) {
	answer, err := client.Get(url + "events")
	check(err)
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if data, found := strings.CutPrefix(lines.Text(), "data: "); found {
			fmt.Println(data)
			acknowledged, err := client.Post(url+"ack", "text/plain", nil)
			check(err)
			acknowledged.Body.Close()
		}
	}
	check(lines.Err())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
