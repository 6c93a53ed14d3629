// Reads HTTP/1.1 messages with net/http. Frames on stdin: a 4-byte length, then "\n" for a request or the method of the request that is
// answered and "\n", then the message. Frames on stdout: a 4-byte length, then JSON.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"runtime"
	"sort"
	"strings"
)

type reading struct {
	Kind     string      `json:"kind"`
	Why      string      `json:"why,omitempty"`
	Start    []string    `json:"start,omitempty"`
	Fields   [][2]string `json:"fields"`
	Body     string      `json:"body"`
	Trailers [][2]string `json:"trailers"`
	End      int         `json:"end"`
}

// One character a byte: JSON has no bytes.
func latin1(text string) string {
	runes := make([]rune, len(text))
	for index := 0; index < len(text); index++ {
		runes[index] = rune(text[index])
	}
	return string(runes)
}

// net/http keeps a map of canonical names; the order of the values of one name is all that is left of the order.
func pairs(header http.Header) [][2]string {
	list := [][2]string{}
	for name, values := range header {
		for _, value := range values {
			list = append(list, [2]string{latin1(name), latin1(value)})
		}
	}
	sort.SliceStable(list, func(one, other int) bool { return list[one][0] < list[other][0] })
	return list
}

func failed(err error) reading {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return reading{Kind: "incomplete"}
	}
	return reading{Kind: "refused", Why: err.Error()}
}

func readRequest(message []byte) reading {
	source := bytes.NewReader(message)
	reader := bufio.NewReader(source)
	request, err := http.ReadRequest(reader)
	if err != nil {
		return failed(err)
	}
	fields := pairs(request.Header)
	if request.Host != "" {
		fields = append(fields, [2]string{"Host", latin1(request.Host)})
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return failed(err)
	}
	start := []string{latin1(request.Method), latin1(request.RequestURI)}
	end := len(message) - source.Len() - reader.Buffered()
	return reading{Kind: "message", Start: start, Fields: fields, Body: latin1(string(body)), Trailers: pairs(request.Trailer), End: end}
}

func readResponse(message []byte, method string) reading {
	source := bytes.NewReader(message)
	reader := bufio.NewReader(source)
	response, err := http.ReadResponse(reader, &http.Request{Method: method})
	if err != nil {
		return failed(err)
	}
	fields := pairs(response.Header)
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return failed(err)
	}
	code, reason, _ := strings.Cut(response.Status, " ")
	start := []string{latin1(code), latin1(reason)}
	end := len(message) - source.Len() - reader.Buffered()
	return reading{Kind: "message", Start: start, Fields: fields, Body: latin1(string(body)), Trailers: pairs(response.Trailer), End: end}
}

func answer(frame []byte) reading {
	method, message, _ := bytes.Cut(frame, []byte("\n"))
	if len(method) == 0 {
		return readRequest(message)
	}
	return readResponse(message, string(method))
}

func write(sink *bufio.Writer, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	head := make([]byte, 4)
	binary.BigEndian.PutUint32(head, uint32(len(text)))
	sink.Write(head)
	sink.Write(text)
	sink.Flush()
}

func main() {
	source := bufio.NewReader(os.Stdin)
	sink := bufio.NewWriter(os.Stdout)
	write(sink, map[string]string{"version": runtime.Version()})
	head := make([]byte, 4)
	for {
		if _, err := io.ReadFull(source, head); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(head))
		if _, err := io.ReadFull(source, frame); err != nil {
			return
		}
		write(sink, answer(frame))
	}
}
