//! One request to a collector, and what its answer means. Knows nothing of queues.

use std::{str::FromStr as _, time::Duration};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request, StatusCode, Uri,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header::{self, HeaderMap},
};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse, logs_service_client::LogsServiceClient,
};
use prost::Message as _;
use tokio::net::TcpStream;
use tonic::{
    Code, Status,
    metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap},
};

use super::{
    endpoint::{Endpoint, Headers, Protocol},
    http2::Connection,
};
use crate::text;

/// Time for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Time for a request and its answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const LONGEST_ANSWER: usize = 64 << 10;
/// Characters of what a collector says that are shown.
const SHOWN: usize = 300;
/// A collector may ask for no longer pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
const AGENT: &str = concat!("cert-recon/", env!("CARGO_PKG_VERSION"));

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is taken, but for so many log records, for a reason.
    Taken {
        /// Log records that are refused for good.
        rejected: u64,
        /// Why, or what else the collector has to say; may be empty.
        message: String,
    },
    /// It is refused for good.
    Refused(String),
    /// It is too long. Parts of it may not be.
    TooLong(String),
    /// It may be taken later.
    Later {
        /// Not before so long.
        after: Option<Duration>,
        /// Why not now.
        why: String,
    },
}

/// Sends to one collector.
pub struct Client {
    endpoint: Endpoint,
    headers: Headers,
    http: Option<SendRequest<Full<Bytes>>>,
    grpc: Option<Connection>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Connects when there is something to send.
    #[must_use]
    pub fn new(endpoint: Endpoint, headers: Headers) -> Self {
        Self {
            endpoint,
            headers,
            http: None,
            grpc: None,
        }
    }

    /// Sends a request. Ends within seconds, whatever the collector does. Needs a tokio runtime.
    pub async fn send(&mut self, request: ExportLogsServiceRequest) -> Outcome {
        match self.endpoint.protocol {
            Protocol::Http => self.send_http(Bytes::from(request.encode_to_vec())).await,
            Protocol::Grpc => self.send_grpc(request).await,
        }
    }

    async fn send_http(&mut self, body: Bytes) -> Outcome {
        // One that was kept may have been ended by the other side meanwhile: that says nothing about a new one.
        let kept = self.http.take().filter(|http| !http.is_closed());
        let result = match kept {
            Some(http) => match self.exchange(http, body.clone()).await {
                Err(_) => self.exchange_anew(body).await,
                good => good,
            },
            None => self.exchange_anew(body).await,
        };
        match result {
            Ok((status, headers, body)) => of_http(status, &headers, &body),
            Err(why) => Outcome::Later { after: None, why },
        }
    }

    async fn exchange_anew(&mut self, body: Bytes) -> Result<(StatusCode, HeaderMap, Bytes), String> {
        let stream = self.connect().await?;
        let handshake = within(CONNECT, http1::handshake(TokioIo::new(stream))).await;
        let (http, connection) = handshake.map_err(|error| format!("connecting: {error}"))?;
        tokio::spawn(connection);
        self.exchange(http, body).await
    }

    async fn exchange(
        &mut self,
        mut http: SendRequest<Full<Bytes>>,
        body: Bytes,
    ) -> Result<(StatusCode, HeaderMap, Bytes), String> {
        let mut request = Request::post(&*self.endpoint.path)
            .header(header::HOST, &*self.endpoint.authority)
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .header(header::USER_AGENT, AGENT);
        for (name, value) in &self.headers.0 {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let exchange = async {
            let (head, body) = http
                .send_request(request)
                .await
                .map_err(|error| chain(&error))?
                .into_parts();
            let body = Limited::new(body, LONGEST_ANSWER).collect().await;
            let body = body.map_err(|error| chain(&*error))?.to_bytes();
            Ok::<_, String>((head.status, head.headers, body))
        };
        let answer = within(ANSWER, exchange).await?;
        self.http = Some(http);
        Ok(answer)
    }

    async fn send_grpc(&mut self, request: ExportLogsServiceRequest) -> Outcome {
        let later = |why| Outcome::Later { after: None, why };
        let connection = match self.grpc.take().filter(Connection::is_open) {
            Some(connection) => connection,
            None => match self.connect_http2().await {
                Ok(connection) => connection,
                Err(why) => return later(why),
            },
        };
        let origin = match Uri::try_from(format!("http://{}", self.endpoint.authority)) {
            Ok(origin) => origin,
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        let mut grpc = LogsServiceClient::with_origin(connection.clone(), origin);
        let mut request = tonic::Request::new(request);
        request
            .metadata_mut()
            .insert("user-agent", AsciiMetadataValue::from_static(AGENT));
        for (name, value) in &self.headers.0 {
            let name = AsciiMetadataKey::from_str(name.as_str());
            let value = AsciiMetadataValue::try_from(value.as_bytes());
            if let (Ok(name), Ok(value)) = (name, value) {
                request.metadata_mut().insert(name, value);
            }
        }
        match tokio::time::timeout(ANSWER, grpc.export(request)).await {
            Ok(result) => {
                self.grpc = Some(connection);
                match result {
                    Ok(response) => of_response(response.into_inner()),
                    Err(status) => of_status(&status),
                }
            }
            Err(_) => later(format!("no answer within {} s", ANSWER.as_secs())),
        }
    }

    async fn connect_http2(&self) -> Result<Connection, String> {
        let stream = self.connect().await?;
        within(CONNECT, Connection::begin(stream))
            .await
            .map_err(|error| format!("connecting: {error}"))
    }

    async fn connect(&self) -> Result<TcpStream, String> {
        let connect = TcpStream::connect((self.endpoint.host.as_str(), self.endpoint.port));
        within(CONNECT, connect)
            .await
            .map_err(|error| format!("connecting: {error}"))
    }
}

async fn within<T, E: std::fmt::Display>(
    limit: Duration,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match tokio::time::timeout(limit, future).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", limit.as_secs())),
    }
}

/// An error and its causes, the last of which says the most.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

fn of_response(response: ExportLogsServiceResponse) -> Outcome {
    let partial = response.partial_success.unwrap_or_default();
    Outcome::Taken {
        rejected: u64::try_from(partial.rejected_log_records).unwrap_or(0),
        message: shown(partial.error_message.as_bytes()),
    }
}

/// The meaning of an answer by HTTP, as the protocol says: 429, 502, 503 and 504 are for later, all other refusals for good.
fn of_http(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Outcome {
    if status.is_success() {
        // Some answer with something else than they should; what counts is that they took it.
        return of_response(ExportLogsServiceResponse::decode(body).unwrap_or_default());
    }
    let said = match RpcStatus::decode(body) {
        Ok(told) if !told.message.is_empty() => shown(told.message.as_bytes()),
        _ => shown(body),
    };
    let why = format!("{status}: {said}").trim_end_matches([':', ' ']).to_owned();
    match status.as_u16() {
        429 | 502 | 503 | 504 => Outcome::Later {
            after: headers
                .get(header::RETRY_AFTER)
                .and_then(|value| pause(value.to_str().ok()?)),
            why,
        },
        413 => Outcome::TooLong(why),
        _ => Outcome::Refused(why),
    }
}

/// The meaning of `Retry-After`: seconds, or a date.
fn pause(value: &str) -> Option<Duration> {
    let pause = match value.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(value.trim()).ok()?;
            let wait = date.timestamp().duration_since(jiff::Timestamp::now());
            Duration::try_from(wait).unwrap_or_default()
        }
    };
    Some(pause.min(LONGEST_PAUSE))
}

/// The meaning of a status of gRPC, as the protocol says.
fn of_status(status: &Status) -> Outcome {
    let message = shown(status.message().as_bytes());
    let mut why = format!("{:?}: {message}", status.code());
    if let Some(cause) = std::error::Error::source(status) {
        why = format!("{why} ({})", chain(cause));
    }
    let after = retry_info(status.details());
    let is_ours = std::error::Error::source(status).is_some();
    match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Outcome::Later { after, why },
        Code::ResourceExhausted if after.is_some() => Outcome::Later { after, why },
        // Without word of when to come again it is the message that is too long.
        Code::ResourceExhausted => Outcome::TooLong(why),
        // The connection broke: nobody refused anything.
        _ if is_ours || is_of_http(status.metadata()) => Outcome::Later { after, why },
        _ => Outcome::Refused(why),
    }
}

/// What answered speaks HTTP, but not gRPC.
fn is_of_http(metadata: &MetadataMap) -> bool {
    let kind = metadata.get("content-type").and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| !kind.starts_with("application/grpc"))
}

/// What a collector says, for people.
fn shown(bytes: &[u8]) -> String {
    text::for_terminal(bytes.get(..4 * SHOWN).unwrap_or(bytes))
        .chars()
        .take(SHOWN)
        .collect()
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<RpcDetail>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcDetail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<RpcDuration>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

fn retry_info(details: &[u8]) -> Option<Duration> {
    let status = RpcStatus::decode(details).ok()?;
    let info = status
        .details
        .iter()
        .find(|detail| detail.type_url.ends_with("google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(&*info.value).ok()?.retry_delay.unwrap_or_default();
    let seconds = Duration::from_secs(u64::try_from(delay.seconds).unwrap_or(0));
    let nanos = Duration::from_nanos(u64::try_from(delay.nanos).unwrap_or(0));
    Some(seconds.saturating_add(nanos).min(LONGEST_PAUSE))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Details of a status that asks for a pause.
    pub(in crate::sink::otlp) fn details(seconds: i64) -> Vec<u8> {
        let info = RetryInfo {
            retry_delay: Some(RpcDuration { seconds, nanos: 0 }),
        };
        let detail = RpcDetail {
            type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
            value: info.encode_to_vec(),
        };
        let status = RpcStatus {
            details: vec![detail],
            ..RpcStatus::default()
        };
        status.encode_to_vec()
    }

    #[test]
    fn a_status_of_http_means_what_the_protocol_says() {
        let none = HeaderMap::new();
        let of = |code, headers: &HeaderMap| of_http(StatusCode::from_u16(code).unwrap(), headers, b"\x1b[2J");
        for code in [429, 502, 503, 504] {
            assert!(matches!(of(code, &none), Outcome::Later { after: None, .. }), "{code}");
        }
        for code in [301, 400, 401, 403, 404, 500, 501] {
            assert!(matches!(of(code, &none), Outcome::Refused(_)), "{code}");
        }
        assert_eq!(
            of(413, &none),
            Outcome::TooLong("413 Payload Too Large: \\x1b[2J".to_owned())
        );
        assert!(matches!(of(200, &none), Outcome::Taken { rejected: 0, .. }));
        for (value, wait) in [
            ("7", Some(7)),
            ("99999999", Some(3600)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(0)),
            ("soon", None),
        ] {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]);
            let Outcome::Later { after, .. } = of(503, &headers) else {
                panic!("503 is for later")
            };
            assert_eq!(after.map(|after| after.as_secs()), wait, "{value}");
        }
    }

    #[test]
    fn a_status_of_grpc_means_what_the_protocol_says() {
        let later = |outcome| match outcome {
            Outcome::Later { after, .. } => Some(after.map(|after| after.as_secs())),
            _ => None,
        };
        for code in [
            Code::Unavailable,
            Code::Aborted,
            Code::Cancelled,
            Code::DataLoss,
            Code::DeadlineExceeded,
        ] {
            assert_eq!(later(of_status(&Status::new(code, "m"))), Some(None), "{code:?}");
        }
        for code in [
            Code::InvalidArgument,
            Code::Unauthenticated,
            Code::PermissionDenied,
            Code::Internal,
            Code::Unknown,
        ] {
            assert!(
                matches!(of_status(&Status::new(code, "m")), Outcome::Refused(_)),
                "{code:?}"
            );
        }
        let full = Status::with_details(Code::ResourceExhausted, "m", details(9).into());
        assert_eq!(later(of_status(&full)), Some(Some(9)));
        assert!(matches!(
            of_status(&Status::new(Code::ResourceExhausted, "m")),
            Outcome::TooLong(_)
        ));
    }
}
