// hudsucker, a Rust library for intercepting proxies, set up as the benchmark wants it: every host is intercepted, one header is
// injected, the origin's certificate is verified against the test CA, idle upstream connections are kept.
//   BENCH_LISTEN=127.0.0.1:PORT BENCH_CA_CERT=… BENCH_CA_KEY=… BENCH_TRUST=… BENCH_BEARER=… bench-hudsucker
use hudsucker::certificate_authority::RcgenAuthority;
use hudsucker::hyper::header::{AUTHORIZATION, HeaderValue};
use hudsucker::hyper::{Request, http};
use hudsucker::rcgen::{Issuer, KeyPair};
use hudsucker::rustls::crypto::aws_lc_rs;
use hudsucker::rustls::pki_types::{CertificateDer, pem::PemObject};
use hudsucker::rustls::{ClientConfig, RootCertStore};
use hudsucker::{Body, HttpContext, HttpHandler, Proxy, RequestOrResponse};
use hyper_util::client::legacy::connect::{HttpConnector, dns::Name};
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::task::{Context, Poll};
use tower_service::Service;

/// Every name is this machine: the origin is the only server the benchmark has.
#[derive(Clone)]
struct Loopback;

impl Service<Name> for Loopback {
    type Response = std::iter::Once<SocketAddr>;
    type Error = std::io::Error;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        ready(Ok(std::iter::once(SocketAddr::from(([127, 0, 0, 1], 0)))))
    }
}

#[derive(Clone)]
struct Inject(HeaderValue);

impl HttpHandler for Inject {
    async fn handle_request(&mut self, _: &HttpContext, mut request: Request<Body>) -> RequestOrResponse {
        // The tunnel's own CONNECT comes through here as well and goes nowhere.
        if request.method() != http::Method::CONNECT {
            request.headers_mut().insert(AUTHORIZATION, self.0.clone());
        }
        request.into()
    }
}

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn authority() -> RcgenAuthority {
    let read = |name| std::fs::read_to_string(setting(name)).expect("a readable PEM file");
    let key = KeyPair::from_pem(&read("BENCH_CA_KEY")).expect("a private key");
    let issuer = Issuer::from_ca_cert_pem(&read("BENCH_CA_CERT"), key).expect("a CA certificate");
    RcgenAuthority::new(issuer, 20_000, aws_lc_rs::default_provider())
}

fn trust() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(setting("BENCH_TRUST")).expect("a certificate"))
        .expect("a root");
    ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

// One core, so one thread: a work-stealing pool would only add hand-overs.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut tcp = HttpConnector::new_with_resolver(Loopback);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(trust())
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .wrap_connector(tcp);
    let bearer = HeaderValue::from_str(&format!("Bearer {}", setting("BENCH_BEARER"))).expect("a field value");
    Proxy::builder()
        .with_addr(setting("BENCH_LISTEN").parse().expect("host:port"))
        .with_ca(authority())
        .with_http_connector(https)
        .with_http_handler(Inject(bearer))
        .build()
        .expect("a proxy")
        .start()
        .await
        .expect("a proxy that runs");
}
