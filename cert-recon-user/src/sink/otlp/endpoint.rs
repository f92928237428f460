//! Where a collector is, and what it is told beside the records. Pure.

use std::{fmt, str::FromStr};

use hyper::{
    Uri,
    header::{HeaderName, HeaderValue},
};

/// The protocol of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Protobuf over HTTP/1.1.
    Http,
    /// gRPC.
    Grpc,
}

/// A collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub(super) protocol: Protocol,
    /// As it is connected to: an address without brackets, or a name.
    pub(super) host: String,
    pub(super) port: u16,
    /// Of HTTP.
    pub(super) path: String,
    /// Host and port as they are written.
    pub(super) authority: String,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad =
            |why: &str| format!("{why}; write it as http://127.0.0.1:4318 (HTTP) or grpc://127.0.0.1:4317 (gRPC)");
        let uri: Uri = text.parse().map_err(|error| bad(&format!("no URL: {error}")))?;
        let (protocol, usual) = match uri.scheme_str() {
            Some("http") => (Protocol::Http, 4318),
            Some("grpc") => (Protocol::Grpc, 4317),
            Some("https" | "grpcs") => {
                return Err(
                    "cert-recon has no TLS: run an OpenTelemetry collector on this host, let it listen on 127.0.0.1 \
                     and send on with TLS, and name it here (http://127.0.0.1:4318)"
                        .to_owned(),
                );
            }
            _ => return Err(bad("no such protocol")),
        };
        let authority = uri.authority().ok_or_else(|| bad("no host"))?;
        if authority.as_str().contains('@') {
            return Err(
                "a URL on a command line is no place for a password: put it into `otlp_headers` of the \
                        configuration file"
                    .to_owned(),
            );
        }
        if uri.query().is_some() {
            return Err(bad("a query (?) has no meaning here"));
        }
        let path = match (protocol, uri.path().trim_end_matches('/')) {
            (Protocol::Grpc, "") => String::new(),
            (Protocol::Grpc, _) => return Err(bad("gRPC has no path")),
            (Protocol::Http, path) if path.ends_with("/v1/logs") => path.to_owned(),
            (Protocol::Http, path) => format!("{path}/v1/logs"),
        };
        let host = authority.host();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() {
            return Err(bad("no host"));
        }
        let port = match authority.port_u16() {
            Some(port) => port,
            None if authority.as_str().ends_with(|c: char| c == ':' || c.is_ascii_digit())
                && authority
                    .as_str()
                    .rsplit_once(':')
                    .is_some_and(|(before, _)| before.ends_with(authority.host())) =>
            {
                return Err(bad("no such port"));
            }
            None => usual,
        };
        Ok(Self {
            protocol,
            host: host.to_owned(),
            port,
            path,
            authority: format!("{}:{port}", authority.host()),
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::Http => write!(f, "http://{}{}", self.authority, self.path),
            Protocol::Grpc => write!(f, "grpc://{}", self.authority),
        }
    }
}

/// Headers of every request. They may be secret: nothing shows their values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(pub(super) Vec<(HeaderName, HeaderValue)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Headers {
    /// Adds a header.
    ///
    /// # Errors
    /// When name or value can't be one; the value is not in the message.
    pub fn push(&mut self, name: &str, value: &str) -> Result<(), String> {
        const OURS: [&str; 8] = [
            "connection",
            "content-length",
            "content-type",
            "host",
            "te",
            "transfer-encoding",
            "upgrade",
            "user-agent",
        ];
        let known: HeaderName = name
            .parse()
            .map_err(|_| format!("{name:?} can't be the name of a header"))?;
        if OURS.contains(&known.as_str()) || known.as_str().starts_with("grpc-") || known.as_str().ends_with("-bin") {
            return Err(format!("the header {known} is not yours to set"));
        }
        let mut value =
            HeaderValue::from_str(value).map_err(|_| format!("the value of {known} can't be one of a header"))?;
        // gRPC's metadata are ASCII.
        if value.to_str().is_err() {
            return Err(format!("the value of {known} may hold printable ASCII only"));
        }
        value.set_sensitive(true);
        self.0.push((known, value));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_protocol_host_and_port_and_the_path_is_that_of_logs() {
        for (text, shown) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/logs"),
            ("http://collector", "http://collector:4318/v1/logs"),
            ("http://[::1]:1/", "http://[::1]:1/v1/logs"),
            ("http://a:1/otlp", "http://a:1/otlp/v1/logs"),
            ("http://a:1/otlp/v1/logs", "http://a:1/otlp/v1/logs"),
            ("grpc://a", "grpc://a:4317"),
            ("grpc://[::1]:5/", "grpc://[::1]:5"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), shown);
        }
        assert_eq!("grpc://[::1]".parse::<Endpoint>().unwrap().host, "::1");
    }

    #[test]
    fn what_is_no_collector_is_refused_with_what_to_write() {
        for (text, why) in [
            ("https://a:4318", "has no TLS: run an OpenTelemetry collector"),
            ("grpcs://a", "has no TLS"),
            ("http://user:secret@a", "no place for a password"),
            ("http://a/?key=1", "a query"),
            ("grpc://a/path", "no path"),
            ("a:4318", "no such protocol"),
            ("ftp://a", "no such protocol"),
            ("/a", "no such protocol"),
            ("", "no URL"),
            ("http://a:99999", "no such port"),
        ] {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert!(error.contains(why) && !error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn no_message_shows_what_a_header_says() {
        let mut headers = Headers::default();
        headers.push("Authorization", "Bearer hidden").unwrap();
        assert_eq!(format!("{headers:?}"), "[\"authorization\"]");
        for (name, value) in [
            ("a b", "hidden"),
            ("X", "hidden\n"),
            ("X", "hidden\u{e9}"),
            ("Host", "hidden"),
            ("grpc-x", "hidden"),
        ] {
            let error = headers.push(name, value).unwrap_err();
            assert!(!error.contains("hidden"), "{error}");
        }
    }
}
