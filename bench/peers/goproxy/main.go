// goproxy, a Go library for intercepting proxies, set up as the benchmark wants it: every host is intercepted, one header is
// injected, the origin's certificate is verified against the test CA, idle upstream connections and leaf certificates are kept.
//
//	BENCH_LISTEN=127.0.0.1:PORT BENCH_CA_CERT=… BENCH_CA_KEY=… BENCH_TRUST=… BENCH_BEARER=… bench-goproxy
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/elazarl/goproxy"
)

func main() {
	authority, err := tls.LoadX509KeyPair(os.Getenv("BENCH_CA_CERT"), os.Getenv("BENCH_CA_KEY"))
	if err != nil {
		log.Fatal(err)
	}
	goproxy.GoproxyCa = authority
	proxy := goproxy.NewProxyHttpServer()
	proxy.Logger = log.New(io.Discard, "", 0)
	proxy.CertStore = &leaves{byHost: map[string]*tls.Certificate{}}
	http2 := os.Getenv("BENCH_HTTP2") != ""
	proxy.AllowHTTP2 = http2
	proxy.Tr = transport(http2)
	proxy.OnRequest().HandleConnect(goproxy.FuncHttpsHandler(
		func(host string, _ *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) {
			return &goproxy.ConnectAction{Action: goproxy.ConnectMitm, TLSConfig: goproxy.TLSConfigFromCA(&authority)}, host
		}))
	bearer := "Bearer " + os.Getenv("BENCH_BEARER")
	proxy.OnRequest().DoFunc(func(request *http.Request, _ *goproxy.ProxyCtx) (*http.Request, *http.Response) {
		request.Header.Set("Authorization", bearer)
		return request, nil
	})
	log.Fatal(http.ListenAndServe(os.Getenv("BENCH_LISTEN"), proxy))
}

// transport verifies against the test CA and dials this machine for every name: the origin is the only server the benchmark has.
func transport(http2 bool) *http.Transport {
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(os.Getenv("BENCH_TRUST"))
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		log.Fatal("BENCH_TRUST holds no certificate")
	}
	var dialer net.Dialer
	return &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, ClientSessionCache: tls.NewLRUClientSessionCache(0)},
		MaxIdleConnsPerHost: 4096,
		DisableCompression:  true,
		ForceAttemptHTTP2:   http2,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	}
}

// leaves keeps what goproxy would otherwise sign again for every connection.
type leaves struct {
	mutex  sync.Mutex
	byHost map[string]*tls.Certificate
}

func (l *leaves) Fetch(host string, generate func() (*tls.Certificate, error)) (*tls.Certificate, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if leaf, ok := l.byHost[host]; ok {
		return leaf, nil
	}
	leaf, err := generate()
	if err == nil {
		l.byHost[host] = leaf
	}
	return leaf, err
}
