//! A collector of traces, as small as OTLP over HTTP lets it be.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span as Sent;
use prost::Message;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A span, and the service that sent it.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) service: String,
    pub(crate) sent: Sent,
}

impl Span {
    /// An attribute as text; empty where there is none.
    pub(crate) fn attribute(&self, name: &str) -> String {
        attribute(&self.sent.attributes, name)
    }

    /// As the header `traceparent` has it.
    pub(crate) fn trace(&self) -> String {
        hex(&self.sent.trace_id)
    }

    /// As the header `traceparent` has it.
    pub(crate) fn id(&self) -> String {
        hex(&self.sent.span_id)
    }

    /// As `id`; empty where there is none.
    pub(crate) fn parent(&self) -> String {
        hex(&self.sent.parent_span_id)
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

/// Takes spans until it is dropped.
pub(crate) struct Collector {
    address: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
    _tasks: JoinSet<()>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (spans, mut tasks) = (Arc::default(), JoinSet::new());
        let kept = Arc::clone(&spans);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(serve(client, Arc::clone(&kept)));
            }
        });
        Self { address, spans, _tasks: tasks }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }

    /// The spans of one trace so far.
    pub(crate) fn of(&self, trace: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.trace() == trace).collect()
    }
}

async fn serve(client: TcpStream, spans: Arc<Mutex<Vec<Span>>>) {
    let mut client = BufReader::new(client);
    while let Some((head, body)) = read(&mut client).await {
        assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
        assert!(head.to_lowercase().contains("content-type: application/x-protobuf"), "{head}");
        let request = ExportTraceServiceRequest::decode(&*body).unwrap();
        for resource in request.resource_spans {
            let service = attribute(&resource.resource.unwrap().attributes, "service.name");
            let sent = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            let sent = sent.map(|sent| Span { service: service.clone(), sent });
            spans.lock().unwrap().extend(sent);
        }
        client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    }
}

/// The head and the body of a request; nothing where the client has left.
async fn read(client: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
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
