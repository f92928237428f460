//! `watch --otlp`: what arrives at a collector that goes away, has no time, loses its answers or refuses.
//!
//! The collector is the test's own. The tests that are ignored need root and a kernel with eBPF: `cargo xtask test` runs these.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{
    collections::HashSet,
    convert::Infallible,
    fs, io,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use cert_recon::{
    event::{Argv, Exec as Event},
    finding::Report,
    record::Record,
    sink::{
        form::{Form, Forms},
        otlp::{Config, Endpoint, Headers},
        output::{Opened, Output, Target, Weight},
    },
};
use common::{
    LIMIT,
    elf::Program,
    eventually,
    exec::Exec,
    temp::Temp,
    token,
    watch::{Watch, path_text},
};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use opentelemetry_proto::tonic::{
    collector::logs::v1::{
        ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
        logs_service_server::{LogsService, LogsServiceServer},
    },
    common::v1::any_value::Value as Any,
    logs::v1::LogRecord,
};
use prost::Message as _;
use tokio::sync::{Notify, oneshot};

/// What a collector does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Take,
    /// Not now: 503, `UNAVAILABLE`.
    Busy,
    /// Takes it, and goes before it has answered.
    Lose,
    /// Takes all but the first record.
    AllButOne,
    /// No more than ten records.
    Short,
    /// Never: 400, `INVALID_ARGUMENT`.
    Refuse,
}

/// What a collector has seen.
struct Seen {
    mood: Mood,
    requests: u64,
    /// What it took.
    records: Vec<LogRecord>,
    hosts: HashSet<String>,
    authorization: Option<String>,
}

impl Seen {
    fn ids(&self) -> Vec<String> {
        self.records
            .iter()
            .map(|record| text(&record.attributes, "EventId"))
            .collect()
    }
}

fn text(attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.clone()?.value) {
        Some(Any::StringValue(text)) => text,
        other => panic!("{key}: {other:?}"),
    }
}

#[derive(Clone)]
struct Shared {
    seen: Arc<Mutex<Seen>>,
    /// Ends the connections.
    cut: Arc<Notify>,
}

/// What is answered.
enum Answer {
    Taken(ExportLogsServiceResponse),
    Busy,
    Nothing,
    TooLong,
    Never,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, request: ExportLogsServiceRequest, authorization: Option<String>) -> Answer {
        let mut seen = self.lock();
        seen.requests += 1;
        seen.authorization = authorization;
        let mut records = Vec::new();
        for logs in request.resource_logs {
            let resource = logs.resource.expect("a resource").attributes;
            assert_eq!(text(&resource, "service.name"), "cert-recon");
            seen.hosts.insert(text(&resource, "host.name"));
            records.extend(logs.scope_logs.into_iter().flat_map(|scope| scope.log_records));
        }
        let mut rejected = 0;
        match seen.mood {
            Mood::Take | Mood::Lose => {}
            Mood::AllButOne => {
                records.remove(0);
                rejected = 1;
            }
            Mood::Busy => return Answer::Busy,
            Mood::Refuse => return Answer::Never,
            Mood::Short if records.len() > 10 => return Answer::TooLong,
            Mood::Short => {}
        }
        seen.records.extend(records);
        if seen.mood == Mood::Lose {
            return Answer::Nothing;
        }
        Answer::Taken(ExportLogsServiceResponse {
            partial_success: (rejected > 0).then(|| ExportLogsPartialSuccess {
                rejected_log_records: rejected,
                error_message: "one too many".to_owned(),
            }),
        })
    }

    async fn http(self, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/v1/logs"));
        assert_eq!(request.headers()["content-type"], "application/x-protobuf");
        let authorization = request.headers().get("authorization").cloned();
        let authorization = authorization.map(|value| value.to_str().expect("ASCII").to_owned());
        let body = request
            .into_body()
            .collect()
            .await
            .map_err(io::Error::other)?
            .to_bytes();
        let request = ExportLogsServiceRequest::decode(body).expect("a request");
        let (code, body) = match self.take(request, authorization) {
            Answer::Taken(response) => (200, response.encode_to_vec()),
            Answer::Busy => (503, b"not now".to_vec()),
            Answer::TooLong => (413, Vec::new()),
            Answer::Never => (400, Vec::new()),
            Answer::Nothing => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        let response = Response::builder().status(code).body(Full::from(body));
        Ok(response.expect("a response"))
    }
}

#[tonic::async_trait]
impl LogsService for Shared {
    async fn export(
        &self,
        request: tonic::Request<ExportLogsServiceRequest>,
    ) -> Result<tonic::Response<ExportLogsServiceResponse>, tonic::Status> {
        let authorization = request.metadata().get("authorization");
        let authorization = authorization.map(|value| value.to_str().expect("ASCII").to_owned());
        match self.take(request.into_inner(), authorization) {
            Answer::Taken(response) => Ok(tonic::Response::new(response)),
            Answer::Busy => Err(tonic::Status::unavailable("not now")),
            Answer::TooLong => Err(tonic::Status::resource_exhausted("too long")),
            Answer::Never => Err(tonic::Status::invalid_argument("never")),
            Answer::Nothing => {
                self.cut.notify_waiters();
                std::future::pending().await
            }
        }
    }
}

/// A collector; it goes away when this is dropped.
struct Collector {
    shared: Shared,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    fn start(address: SocketAddr, scheme: &str, mood: Mood) -> Self {
        let shared = Shared {
            seen: Arc::new(Mutex::new(Seen {
                mood,
                requests: 0,
                records: Vec::new(),
                hosts: HashSet::new(),
                authorization: None,
            })),
            cut: Arc::default(),
        };
        let listener = TcpListener::bind(address).expect("the port");
        listener.set_nonblocking(true).expect("a listener");
        let (stop, stopped) = oneshot::channel();
        let (is_grpc, serving) = (scheme == "grpc", shared.clone());
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                let serve = async {
                    loop {
                        let (stream, _) = listener.accept().await.expect("a connection");
                        let (stream, shared) = (TokioIo::new(stream), serving.clone());
                        tokio::spawn(async move {
                            let cut = Arc::clone(&shared.cut);
                            let cut = cut.notified();
                            if is_grpc {
                                let service = TowerToHyperService::new(LogsServiceServer::new(shared));
                                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                                tokio::select! {
                                    _ = server.serve_connection(stream, service) => {}
                                    () = cut => {}
                                }
                            } else {
                                let service = service_fn(move |request| shared.clone().http(request));
                                let server = hyper::server::conn::http1::Builder::new();
                                let _ = server.serve_connection(stream, service).await;
                            }
                            Ok::<_, Infallible>(())
                        });
                    }
                };
                tokio::select! {
                    () = serve => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            shared,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.shared.lock()
    }

    /// Waits until it has been asked so many times more.
    #[track_caller]
    fn wait_for_requests(&self, more: u64) {
        let before = self.seen().requests;
        assert!(eventually(|| self.seen().requests >= before + more), "{more} requests");
    }

    #[track_caller]
    fn wait_for_all(&self, ids: &[String]) {
        let all = || {
            let seen: HashSet<String> = self.seen().ids().into_iter().collect();
            ids.iter().all(|id| seen.contains(id))
        };
        assert!(eventually(all), "{} of {}", self.seen().records.len(), ids.len());
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A port that nobody listens at.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address")
}

fn start(address: SocketAddr, scheme: &str, queue: &Path) -> Output {
    let mut headers = Headers::default();
    headers.push("Authorization", "Bearer of a test").expect("a header");
    let config = Config {
        endpoint: format!("{scheme}://{address}").parse::<Endpoint>().expect("a URL"),
        headers,
        queue: queue.to_owned(),
        budget: 16 << 20,
    };
    let opened = Opened::open(Target::Otlp(Box::new(config))).expect("the queue");
    Output::start(opened, || {}).expect("an output")
}

/// Sends records of these numbers; their ids.
fn send(output: &Output, numbers: std::ops::Range<u32>) -> Vec<String> {
    let one = |number: u32| {
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_000 + u64::from(number));
        let mut event = Event::new(time, Argv::whole(b"curl\0https://crt.sh\0"));
        event.pid = Some(number);
        let record = Record::Exec(Box::new(Report::new(&event, None)));
        output.send(Forms::new(&record, "a-host").get(Form::Otlp), Weight::Exec);
        record.event_id("a-host")
    };
    numbers.map(one).collect()
}

#[test]
fn a_collector_that_is_away_has_no_time_or_loses_its_answer_gets_every_record() {
    for scheme in ["http", "grpc"] {
        let temp = Temp::new();
        let address = free_port();
        let output = start(address, scheme, &temp.join("queue"));
        let mut ids = send(&output, 0..300);
        assert!(eventually(|| output.state().failing), "nobody is there");
        let state = output.state();
        assert!(
            state.queued_bytes > 0 && state.lines == 0 && state.dropped == 0,
            "{state:?}"
        );

        let collector = Collector::start(address, scheme, Mood::Busy);
        collector.wait_for_requests(2);
        assert_eq!(output.state().lines, 0);
        collector.seen().mood = Mood::Lose;
        collector.wait_for_all(&ids);
        assert_eq!(output.state().lines, 0, "it has not said that it took them");
        ids.extend(send(&output, 300..400));
        collector.seen().mood = Mood::Take;
        collector.wait_for_all(&ids);
        assert!(eventually(|| output.state().lines == 400));
        assert!(eventually(|| !output.state().failing));
        let seen = collector.seen();
        assert!(seen.records.len() > 400, "some came twice, with the same ids");
        assert_eq!(seen.ids().into_iter().collect::<HashSet<_>>().len(), 400);
        assert_eq!(seen.hosts, HashSet::from(["a-host".to_owned()]));
        assert_eq!(seen.authorization.as_deref(), Some("Bearer of a test"));
        let record = &seen.records[0];
        assert_eq!(record.event_name, "cert_recon.exec");
        assert_eq!(text(&record.attributes, "ProcessCommandLine"), "curl https://crt.sh");
        drop(seen);
        let written = output.finish(LIMIT);
        assert_eq!((written.lines, written.dropped), (400, 0), "{scheme}");
    }
}

#[test]
fn what_is_refused_for_good_is_counted_and_what_is_too_long_comes_in_parts() {
    for scheme in ["http", "grpc"] {
        let temp = Temp::new();
        let address = free_port();
        let collector = Collector::start(address, scheme, Mood::AllButOne);
        let output = start(address, scheme, &temp.join("queue"));
        let is = |lines, dropped| {
            let state = output.state();
            (state.lines, state.dropped) == (lines, dropped)
        };
        send(&output, 0..50);
        assert!(eventually(|| collector.seen().records.len() as u64
            + output.state().dropped
            == 50));
        assert!(eventually(|| is(
            50 - output.state().dropped,
            collector.seen().requests
        )));
        let (taken, refused) = (output.state().lines, output.state().dropped);
        collector.seen().mood = Mood::Refuse;
        send(&output, 50..60);
        assert!(eventually(|| is(taken, refused + 10)), "{:?}", output.state());
        collector.seen().mood = Mood::Short;
        let ids = send(&output, 60..200);
        collector.wait_for_all(&ids);
        let written = output.finish(LIMIT);
        assert_eq!(
            (written.lines, written.dropped),
            (taken + 140, refused + 10),
            "{scheme}"
        );
        assert!(!output.state().failing, "a refusal is an answer");
    }
}

#[test]
fn what_the_end_leaves_is_sent_by_the_next_start() {
    let temp = Temp::new();
    let (address, queue) = (free_port(), temp.join("queue"));
    let output = start(address, "http", &queue);
    let ids = send(&output, 0..100);
    let written = output.finish(LIMIT);
    assert_eq!((written.lines, written.dropped), (0, 0), "neither taken nor lost");
    drop(output);
    let collector = Collector::start(address, "http", Mood::Take);
    let output = loop {
        // The thread of the one before may still be about to end.
        let config = Config {
            endpoint: format!("http://{address}").parse().expect("a URL"),
            headers: Headers::default(),
            queue: queue.clone(),
            budget: 16 << 20,
        };
        match Opened::open(Target::Otlp(Box::new(config))) {
            Ok(opened) => break Output::start(opened, || {}).expect("an output"),
            Err(error) => assert!(error.to_string().contains("another monitor uses"), "{error}"),
        }
        thread::yield_now();
    };
    collector.wait_for_all(&ids);
    let written = output.finish(LIMIT);
    assert_eq!(
        (written.lines, written.dropped, collector.seen().records.len()),
        (100, 0, 100)
    );
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_kill_loses_nothing_that_was_in_the_queue_or_answered_for() {
    let temp = Temp::new();
    let program = temp.program("sslyze", Program::Exit);
    let (address, queue) = (free_port(), temp.join("queue"));
    let url = format!("http://{address}");
    let flags = ["--otlp", &url, "--otlp-queue", path_text(&queue)];
    let watch = Watch::findings(&flags);
    let first = token();
    for _ in 0..30 {
        Exec::new(&program).args(["sslyze", &first]).run();
    }
    let rows = watch.rows_so_far(|row| row.is(&first));
    let ids: Vec<String> = rows
        .iter()
        .map(|row| row.text("EventId").expect("an id").to_owned())
        .collect();
    assert_eq!(ids.len(), 30);
    // They are on disk once a health record that was made behind them says that nothing but the disk has bytes; the writing
    // itself is what the queue's files show.
    let on_disk = || {
        let mut text = Vec::new();
        for entry in fs::read_dir(&queue).expect("the queue").flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "zst") {
                let file = fs::File::open(entry.path()).expect("a file of the queue");
                let _ = io::copy(&mut zstd::Decoder::new(file).expect("zstd"), &mut text);
            }
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        ids.iter().all(|id| text.contains(id.as_str()))
    };
    assert!(eventually(on_disk));
    watch.kill();

    let collector = Collector::start(address, "http", Mood::Lose);
    let watch = Watch::findings(&flags);
    collector.wait_for_all(&ids);
    // It has taken them and not said so, and the monitor is killed again.
    watch.kill();
    collector.seen().mood = Mood::Take;
    collector.seen().records.clear();
    let watch = Watch::findings(&flags);
    collector.wait_for_all(&ids);
    let second = token();
    Exec::new(&program).args(["sslyze", &second]).run();
    let row = watch.row_of(&second);
    collector.wait_for_all(&[row.text("EventId").expect("an id").to_owned()]);
    let closing = watch.stop();
    let seen = collector.seen();
    let finding = seen
        .records
        .iter()
        .find(|record| text(&record.attributes, "EventId") == ids[0])
        .expect("the first finding");
    assert_eq!(finding.event_name, "cert_recon.finding");
    assert_eq!(finding.severity_text, "ERROR");
    let (taken, dropped) = closing.outputs[1];
    assert_eq!((taken, dropped), (seen.records.len() as u64, 0), "{closing:?}");
}
