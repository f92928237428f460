//! `--metrics-listen`: the metrics over HTTP, to this host only.
//!
//! A thread of its own answers `GET /metrics` and nothing else. What a client can cost is bounded: connections at a time, bytes
//! of a request, and the time until it is over.

use std::{
    fmt, fs, io,
    net::{SocketAddr, TcpListener},
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::{Semaphore, oneshot},
};

use super::Board;

/// Connections at a time; a client beyond these waits for its turn.
const CONNECTIONS: usize = 16;
/// Bytes of a request.
const REQUEST: usize = 8 << 10;
/// Time from the connection to the end of the answer.
const LIMIT: Duration = Duration::from_secs(5);
/// Pause after a failure to accept: no descriptors are left, and the next moment may be as bad.
const RETRY: Duration = Duration::from_millis(500);

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A port of the loopback interface; 0 for one that is free.
    Port(SocketAddr),
    /// A socket in the file system.
    Socket(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return if path.is_absolute() && path.file_name().is_some() {
                Ok(Self::Socket(path))
            } else {
                Err("a socket is written as unix:/run/cert-recon/metrics.sock, from the root on".to_owned())
            };
        }
        let address: SocketAddr = text
            .parse()
            .map_err(|_| "write it as 127.0.0.1:9469, [::1]:9469 or unix:/run/cert-recon/metrics.sock".to_owned())?;
        if !address.ip().is_loopback() {
            return Err(format!(
                "{} is not the loopback interface: the metrics say what is noticed on this host, and are for this host \
                 only; let an agent on it (or a proxy that knows who asks) take them from 127.0.0.1",
                address.ip()
            ));
        }
        Ok(Self::Port(address))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(address) => write!(f, "http://{address}/metrics"),
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why nobody can listen there.
#[derive(Debug, thiserror::Error)]
#[error("listening on {address} for metrics: {source}")]
pub struct ListenError {
    address: String,
    source: io::Error,
}

enum Bound {
    Port(TcpListener),
    Socket(UnixListener, Name),
}

/// The name of a socket, which is removed with it.
struct Name {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
}

impl Drop for Name {
    fn drop(&mut self) {
        // Another may have taken the place since.
        if fs::symlink_metadata(&self.path).is_ok_and(|meta| (meta.dev(), meta.ino()) == self.id) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A bound address that nobody answers at yet.
pub struct Listener {
    bound: Bound,
    address: Address,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Answers until it is dropped.
#[derive(Debug)]
pub struct Answering {
    _stop: oneshot::Sender<()>,
}

impl Listener {
    /// Binds the address. A socket gets mode 0660; one that a monitor left which was killed is replaced.
    ///
    /// # Errors
    /// When it can't be bound.
    pub fn bind(address: &Address) -> Result<Self, ListenError> {
        let failed = |source| ListenError {
            address: address.to_string(),
            source,
        };
        let (bound, address) = match address {
            Address::Port(wanted) => {
                let listener = TcpListener::bind(wanted).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                let address = Address::Port(listener.local_addr().map_err(failed)?);
                (Bound::Port(listener), address)
            }
            Address::Socket(path) => {
                let (listener, name) = bind_socket(path).map_err(failed)?;
                (Bound::Socket(listener, name), address.clone())
            }
        };
        Ok(Self { bound, address })
    }

    /// Answers from now on, with what is on the board.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(self, board: Arc<Board>) -> Result<Answering, ListenError> {
        let Self { bound, address } = self;
        let shown = address.to_string();
        let failed = |source| ListenError {
            address: shown.clone(),
            source,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(failed)?;
        let (stop, stopped) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = answer_all(bound, board) => {}
                        _ = stopped => {}
                    }
                });
            })
            .map_err(failed)?;
        log::info!("metrics: {address}");
        Ok(Answering { _stop: stop })
    }
}

fn bind_socket(path: &Path) -> io::Result<(UnixListener, Name)> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let is_socket = fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
            let is_dead =
                || UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
            if !is_socket || !is_dead() {
                return Err(error);
            }
            fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    let meta = fs::symlink_metadata(path)?;
    let name = Name {
        path: path.to_owned(),
        id: (meta.dev(), meta.ino()),
    };
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    listener.set_nonblocking(true)?;
    Ok((listener, name))
}

async fn answer_all(bound: Bound, board: Arc<Board>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let result = match bound {
        Bound::Port(listener) => match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => loop {
                let accept = async || Ok(listener.accept().await?.0);
                turn(accept, &free, &board).await;
            },
            Err(error) => error,
        },
        Bound::Socket(listener, _name) => match tokio::net::UnixListener::from_std(listener) {
            Ok(listener) => loop {
                let accept = async || Ok(listener.accept().await?.0);
                turn(accept, &free, &board).await;
            },
            Err(error) => error,
        },
    };
    log::error!("metrics: {result}; nobody is answered");
}

async fn turn<S: AsyncRead + AsyncWrite + Unpin + 'static + Send>(
    accept: impl AsyncFn() -> io::Result<S>,
    free: &Arc<Semaphore>,
    board: &Arc<Board>,
) {
    let Ok(permit) = Arc::clone(free).acquire_owned().await else {
        return;
    };
    match accept().await {
        Ok(stream) => {
            let board = Arc::clone(board);
            tokio::spawn(async move {
                // Whoever is too slow, or gone, is not answered.
                let _ = tokio::time::timeout(LIMIT, answer(stream, &board)).await;
                drop(permit);
            });
        }
        Err(_) => tokio::time::sleep(RETRY).await,
    }
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, board: &Board) -> io::Result<()> {
    let mut request = Vec::with_capacity(1024);
    let is_whole = loop {
        if request.windows(4).any(|end| end == b"\r\n\r\n") {
            break true;
        }
        if request.len() >= REQUEST || stream.read_buf(&mut request).await? == 0 {
            break false;
        }
    };
    let response = if is_whole {
        response(&request, || board.text())
    } else {
        plain("400 Bad Request", "", "no request\n", false)
    };
    stream.write_all(&response).await?;
    stream.shutdown().await
}

/// The answer to a request.
fn response(request: &[u8], text: impl FnOnce() -> Option<String>) -> Vec<u8> {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let words: Vec<_> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = words[..] else {
        return plain("400 Bad Request", "", "no request\n", false);
    };
    if !version.starts_with(b"HTTP/1.") {
        return plain("400 Bad Request", "", "HTTP/1.1 is spoken here\n", false);
    }
    let is_head = method == b"HEAD";
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    if path != b"/metrics" {
        return plain("404 Not Found", "", "the metrics are at /metrics\n", is_head);
    }
    if method != b"GET" && !is_head {
        return plain(
            "405 Method Not Allowed",
            "Allow: GET, HEAD\r\n",
            "GET /metrics\n",
            false,
        );
    }
    match text() {
        Some(text) => full("200 OK", "text/plain; version=0.0.4; charset=utf-8", "", &text, is_head),
        None => plain("503 Service Unavailable", "Retry-After: 1\r\n", "starting\n", is_head),
    }
}

fn plain(status: &str, headers: &str, body: &str, is_head: bool) -> Vec<u8> {
    full(status, "text/plain; charset=utf-8", headers, body, is_head)
}

fn full(status: &str, kind: &str, headers: &str, body: &str, is_head: bool) -> Vec<u8> {
    let length = body.len();
    let body = if is_head { "" } else { body };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{Shutdown, TcpStream},
    };

    use super::*;
    use crate::{metrics::tests::facts, testing::Folder};

    #[test]
    fn only_this_host_is_listened_to() {
        for good in ["127.0.0.1:9469", "127.1.2.3:0", "[::1]:9469", "unix:/run/m.sock"] {
            assert!(good.parse::<Address>().is_ok(), "{good}");
        }
        for bad in [
            "0.0.0.0:9469",
            "[::]:9469",
            "192.0.2.1:9469",
            "[2001:db8::1]:80",
            "[::ffff:127.0.0.1]:80",
        ] {
            let error = bad.parse::<Address>().unwrap_err();
            assert!(error.contains("is not the loopback interface"), "{bad}: {error}");
        }
        for bad in [
            "",
            "9469",
            ":9469",
            "127.0.0.1",
            "localhost:9469",
            "::1:80",
            "unix:",
            "unix:m.sock",
            "unix:/",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_request_gets_the_answer_that_it_deserves() {
        let status = |request: &str, text: Option<&str>| {
            let response = String::from_utf8(response(request.as_bytes(), || text.map(str::to_owned))).unwrap();
            let (head, body) = response.split_once("\r\n\r\n").unwrap();
            let length = head
                .split("Content-Length: ")
                .nth(1)
                .unwrap()
                .split('\r')
                .next()
                .unwrap();
            assert!(body.is_empty() || length == body.len().to_string(), "{response}");
            let code: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
            (code, body.to_owned())
        };
        let get = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(status(get, Some("text\n")), (200, "text\n".to_owned()));
        assert_eq!(status("GET /metrics?a=b HTTP/1.0\r\n\r\n", Some("x")).0, 200);
        assert_eq!(
            status("HEAD /metrics HTTP/1.1\r\n\r\n", Some("x")),
            (200, String::new())
        );
        assert_eq!(status(get, None).0, 503);
        for (request, code) in [
            ("GET / HTTP/1.1\r\n\r\n", 404),
            ("GET /metrics/x HTTP/1.1\r\n\r\n", 404),
            ("GET /../metrics HTTP/1.1\r\n\r\n", 404),
            ("POST /metrics HTTP/1.1\r\n\r\n", 405),
            ("GET /metrics\r\n\r\n", 400),
            ("GET /metrics SPDY\r\n\r\n", 400),
            ("\r\n\r\n", 400),
            ("\u{16}\u{3}\u{1} \0\r\n\r\n", 400),
        ] {
            assert_eq!(status(request, Some("x")).0, code, "{request:?}");
        }
    }

    fn ask(mut stream: impl io::Read + io::Write, request: &[u8]) -> String {
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn clients_that_say_nothing_or_too_much_keep_nobody_from_being_answered() {
        let board = Arc::<Board>::default();
        board.put(facts());
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let Address::Port(address) = listener.address else {
            panic!("a port")
        };
        let _answering = listener.start(board).unwrap();
        let silent: Vec<_> = (0..CONNECTIONS - 1)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        let good = ask(TcpStream::connect(address).unwrap(), b"GET /metrics HTTP/1.1\r\n\r\n");
        assert!(good.starts_with("HTTP/1.1 200 OK\r\n") && good.contains("\ncert_recon_execs_total 103\n"));
        let half = TcpStream::connect(address).unwrap();
        (&half).write_all(b"GET /metr").unwrap();
        half.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        (&half).read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        let mut long = TcpStream::connect(address).unwrap();
        long.write_all(&vec![b'a'; REQUEST]).unwrap();
        let mut answer = [0; 12];
        long.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 400");
        drop(silent);
    }

    #[test]
    fn a_socket_of_one_that_was_killed_is_replaced_and_of_one_that_lives_is_not() {
        let folder = Folder::new("metrics-socket");
        let path = folder.0.join("m.sock");
        let address = Address::Socket(path.clone());
        // Its name stays, as after a kill.
        drop(UnixListener::bind(&path).unwrap());
        let listener = Listener::bind(&address).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        let error = Listener::bind(&address).unwrap_err().to_string();
        assert!(error.starts_with("listening on unix:/"), "{error}");
        let board = Arc::<Board>::default();
        let answering = listener.start(Arc::clone(&board)).unwrap();
        let get = b"GET /metrics HTTP/1.1\r\n\r\n";
        assert!(ask(UnixStream::connect(&path).unwrap(), get).starts_with("HTTP/1.1 503"));
        board.put(facts());
        assert!(ask(UnixStream::connect(&path).unwrap(), get).starts_with("HTTP/1.1 200"));
        drop(answering);
        while path.exists() {
            thread::yield_now();
        }
        let file = folder.file("file", b"x");
        assert!(Listener::bind(&Address::Socket(file.clone())).is_err());
        assert_eq!(fs::read(&file).unwrap(), b"x");
    }
}
