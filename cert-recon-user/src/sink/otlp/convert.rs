//! Records as log records of OpenTelemetry, by way of a line of JSON. Pure.
//!
//! The line is that of `sink::json` with three fields more, which say what only the record itself could: a queue of such lines is
//! also a record that `hunt` reads. Attributes have the names of the fields; `EventId` among them is the same however often a
//! record is sent.

use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value as Any},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber},
    resource::v1::Resource,
};
use serde_json::{Map, Value};

use crate::{
    record::Record,
    sink::{
        fields::{message, priority},
        json::Fields,
    },
};

/// Bytes of the line for people, which the attributes say again.
const BODY: usize = 16 << 10;
const BODY_FIELD: &str = "OtlpBody";
const SEVERITY_FIELD: &str = "OtlpSeverity";
const EVENT_FIELD: &str = "OtlpEvent";

/// The record as a line of the queue. `json` is its line of JSON.
#[must_use]
pub fn line(record: &Record, json: &[u8]) -> Vec<u8> {
    let mut more = Map::new();
    more.insert(BODY_FIELD.to_owned(), message(record, BODY).into());
    more.insert(SEVERITY_FIELD.to_owned(), priority(record).into());
    more.insert(EVENT_FIELD.to_owned(), event_name(record).into());
    let more = Value::Object(more).to_string();
    let end = json.iter().rposition(|byte| *byte == b'}').unwrap_or(0);
    let mut line = Vec::with_capacity(json.len() + more.len());
    line.extend_from_slice(json.get(..end).unwrap_or_default());
    line.push(b',');
    line.extend_from_slice(more.as_bytes().get(1..).unwrap_or_default());
    line.push(b'\n');
    line
}

fn event_name(record: &Record) -> &'static str {
    match record {
        Record::Exec(report) if report.verdict.is_some() => "cert_recon.finding",
        Record::Exec(_) => "cert_recon.exec",
        Record::Lost(_) => "cert_recon.events_lost",
        Record::Health(_) => "cert_recon.sensor_health",
        Record::Blind(_) => "cert_recon.sensor_blind",
    }
}

/// The severity of a priority of syslog, as OpenTelemetry's data model maps it, and what it is called.
fn severity(priority: u64) -> (SeverityNumber, &'static str) {
    match priority {
        0..=2 => (SeverityNumber::Error2, "CRITICAL"),
        3 => (SeverityNumber::Error, "ERROR"),
        4 => (SeverityNumber::Warn, "WARN"),
        5 => (SeverityNumber::Info2, "NOTICE"),
        _ => (SeverityNumber::Info, "INFO"),
    }
}

/// What is told of a line: the host that it is of, and its log record. None when it is no line of a queue.
#[must_use]
pub fn log_record(line: &[u8]) -> Option<(Option<String>, LogRecord)> {
    let mut log = LogRecord::default();
    let mut host = None;
    let mut priority = 6;
    for (name, value) in Fields::parse(line).ok()?.0 {
        match (name.as_str(), value) {
            (BODY_FIELD, Value::String(text)) => log.body = Some(any(Value::String(text))),
            (EVENT_FIELD, Value::String(text)) => log.event_name = text,
            (SEVERITY_FIELD, value) => priority = value.as_u64()?,
            (field, value) => {
                if let ("Timestamp" | "TimestampNotAfter", Some(text)) = (field, value.as_str()) {
                    // The kernel's record is made at the exec itself: what was seen and when it was seen are one.
                    log.time_unix_nano = nanoseconds(text)?;
                    log.observed_time_unix_nano = log.time_unix_nano;
                }
                if let ("DeviceName", Some(text)) = (field, value.as_str()) {
                    host = Some(text.to_owned());
                }
                log.attributes.push(attribute(name, any(value)));
            }
        }
    }
    let (number, text) = severity(priority);
    log.severity_number = number.into();
    log.severity_text = text.to_owned();
    Some((host, log))
}

/// A request with these log records, which are of one host.
#[must_use]
pub fn request(host: Option<&str>, log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    let text = |text: &str| any(Value::String(text.to_owned()));
    let mut attributes = vec![
        attribute("service.name".to_owned(), text("cert-recon")),
        attribute("service.version".to_owned(), text(env!("CARGO_PKG_VERSION"))),
    ];
    attributes.extend(host.map(|host| attribute("host.name".to_owned(), text(host))));
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource {
                attributes,
                ..Resource::default()
            }),
            scope_logs: vec![ScopeLogs {
                scope: Some(InstrumentationScope {
                    name: "cert-recon".to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    ..InstrumentationScope::default()
                }),
                log_records,
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}

fn attribute(key: String, value: AnyValue) -> KeyValue {
    KeyValue {
        key,
        value: Some(value),
        ..KeyValue::default()
    }
}

fn any(value: Value) -> AnyValue {
    let value = match value {
        Value::Null => None,
        Value::Bool(truth) => Some(Any::BoolValue(truth)),
        Value::Number(number) => Some(match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Any::IntValue(number),
            // Beyond 64 bits with a sign: as text it is exact.
            (None, _) if number.is_u64() => Any::StringValue(number.to_string()),
            (None, float) => Any::DoubleValue(float.unwrap_or_default()),
        }),
        Value::String(text) => Some(Any::StringValue(text)),
        Value::Array(items) => Some(Any::ArrayValue(ArrayValue {
            values: items.into_iter().map(any).collect(),
        })),
        Value::Object(fields) => Some(Any::KvlistValue(KeyValueList {
            values: fields
                .into_iter()
                .map(|(key, value)| attribute(key, any(value)))
                .collect(),
        })),
    };
    AnyValue { value }
}

fn nanoseconds(text: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(text).ok()?;
    let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::{
        event::{Argv, Exec},
        finding::Report,
        record::{Blind, Lost},
        sink::json,
    };

    pub(in crate::sink::otlp) fn exec(number: u32, argv: &[u8]) -> Record {
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_001 + u64::from(number));
        let mut exec = Exec::new(time, Argv::whole(argv));
        exec.pid = Some(number);
        Record::Exec(Box::new(Report::new(&exec, None)))
    }

    /// The record as a queue has it.
    pub(in crate::sink::otlp) fn queued(record: &Record) -> Vec<u8> {
        line(record, &json::line(record, "host"))
    }

    fn back(value: AnyValue) -> Value {
        match value.value {
            None => Value::Null,
            Some(Any::StringValue(text)) => text.into(),
            Some(Any::BoolValue(truth)) => truth.into(),
            Some(Any::IntValue(number)) => number.into(),
            Some(Any::DoubleValue(number)) => number.into(),
            Some(Any::ArrayValue(items)) => items.values.into_iter().map(back).collect(),
            Some(Any::KvlistValue(fields)) => {
                let fields = fields.values.into_iter();
                Value::Object(fields.map(|field| (field.key, back(field.value.unwrap()))).collect())
            }
            Some(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_attributes_are_the_fields_and_nothing_is_lost_on_the_way() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let lost = Record::Lost(Lost {
            time,
            since: time,
            count: 3,
            total: 4,
            events_lost: 3,
        });
        let blind = Record::Blind(Blind {
            time,
            last_seen: None,
            reason: "r\n\u{1b}".to_owned(),
            events_lost: 0,
        });
        let records = [
            (
                exec(1, b"curl\0\0-d\0\xff\n\"\\\0"),
                "cert_recon.exec",
                SeverityNumber::Info,
            ),
            (exec(2, b""), "cert_recon.exec", SeverityNumber::Info),
            (lost, "cert_recon.events_lost", SeverityNumber::Warn),
            (blind, "cert_recon.sensor_blind", SeverityNumber::Error2),
        ];
        for (record, name, severity) in records {
            let line = queued(&record);
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            let (host, log) = log_record(&line).unwrap();
            assert_eq!((host.as_deref(), log.event_name.as_str()), (Some("host"), name));
            assert_eq!(log.severity_number(), severity);
            let since = record.time().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            assert_eq!(u128::from(log.time_unix_nano), since.as_nanos());
            let body = back(log.body.unwrap());
            assert_eq!(body.as_str().unwrap(), message(&record, BODY));
            let fields = log
                .attributes
                .into_iter()
                .map(|field| (field.key, back(field.value.unwrap())));
            let fields = Fields(fields.collect());
            assert_eq!(fields.text("EventId").unwrap(), record.event_id("host"));
            assert_eq!(fields, Fields::parse(&json::line(&record, "host")).unwrap());
        }
    }

    #[test]
    fn what_is_no_line_of_a_queue_is_no_log_record() {
        for line in [
            &b""[..],
            b"\n",
            b"[]",
            b"{",
            b"{\"Timestamp\":\"soon\"}",
            b"{\"OtlpSeverity\":\"x\"}",
        ] {
            assert!(log_record(line).is_none(), "{line:?}");
        }
        let large = any(serde_json::json!([u64::MAX, 1.5, null, {"a": -1}]));
        assert_eq!(
            back(large),
            serde_json::json!([u64::MAX.to_string(), 1.5, null, {"a": -1}])
        );
    }
}
