//! A minimal trace collector: OTLP over HTTP.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use prost::Message;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A span, and the service that exported it.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) service: String,
    pub(crate) otlp: OtlpSpan,
}

impl Span {
    /// Returns an attribute as text, empty if it is absent.
    pub(crate) fn attribute(&self, name: &str) -> String {
        attribute(&self.otlp.attributes, name)
    }

    /// Returns the trace id in hexadecimal, as in `traceparent`.
    pub(crate) fn trace_id(&self) -> String {
        hex(&self.otlp.trace_id)
    }

    /// Returns the span id in hexadecimal, as in `traceparent`.
    pub(crate) fn id(&self) -> String {
        hex(&self.otlp.span_id)
    }

    /// Returns the id of the parent span, empty for the root of a trace.
    pub(crate) fn parent_id(&self) -> String {
        hex(&self.otlp.parent_span_id)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn attribute(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        None => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(other) => format!("{other:?}"),
    }
}

/// A collector that receives spans until it is dropped.
pub(crate) struct OtlpCollector {
    address: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
    _tasks: JoinSet<()>,
}

impl OtlpCollector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (spans, mut tasks) = (Arc::default(), JoinSet::new());
        let received = Arc::clone(&spans);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(serve(client, Arc::clone(&received)));
            }
        });
        Self { address, spans, _tasks: tasks }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the spans received so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }

    /// Returns the spans of one trace received so far.
    pub(crate) fn spans_of(&self, trace_id: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.trace_id() == trace_id).collect()
    }
}

async fn serve(client: TcpStream, spans: Arc<Mutex<Vec<Span>>>) {
    let mut client = BufReader::new(client);
    while let Some((head, body)) = read_request(&mut client).await {
        assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
        assert!(head.to_lowercase().contains("content-type: application/x-protobuf"), "{head}");
        let request = ExportTraceServiceRequest::decode(&*body).unwrap();
        for resource in request.resource_spans {
            let service = attribute(&resource.resource.unwrap().attributes, "service.name");
            let exported = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            let exported = exported.map(|otlp| Span { service: service.clone(), otlp });
            spans.lock().unwrap().extend(exported);
        }
        client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    }
}

/// Reads the head and the body of a request, `None` if the client has closed the connection.
async fn read_request(client: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if client.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap()];
    client.read_exact(&mut body).await.ok()?;
    Some((head, body))
}
