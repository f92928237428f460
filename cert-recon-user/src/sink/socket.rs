//! Sending to the log daemons of this host: journald's socket and `/dev/log`.
//!
//! Owns the connection: made when there is something to send, made anew when the daemon went away, never waited for longer
//! than [`PATIENCE`]. What a message says is not known here.

use std::{
    fs::File,
    io::{self, IoSlice, Write as _},
    mem::MaybeUninit,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::fs::FileTypeExt as _,
    },
    path::{Path, PathBuf},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    fs::{MemfdFlags, SealFlags},
    io::Errno,
    net::{
        AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
        sockopt,
    },
};

/// How long a daemon that takes nothing is waited for before that counts as a failure, to be tried again.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 500_000_000,
};
/// What the kernel is asked to hold of what was sent and not yet received; it may allow less.
const SEND_BUFFER: usize = 8 << 20;

/// Who listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// journald, by its native protocol: what does not fit into a datagram goes in a sealed file.
    Journal,
    /// A syslog daemon: datagrams, or lines of a stream.
    Syslog,
}

/// A daemon's socket.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    protocol: Protocol,
    connection: Option<Connection>,
}

#[derive(Debug)]
struct Connection {
    socket: OwnedFd,
    /// Of a stream, how much of the message was sent.
    sent: usize,
    is_stream: bool,
}

impl Socket {
    pub(super) fn new(path: &Path, protocol: Protocol) -> Self {
        Self {
            path: path.to_owned(),
            protocol,
            connection: None,
        }
    }

    /// Sends a message whole, on a new connection when the one from before is broken.
    ///
    /// # Errors
    /// `InvalidInput` when the message can never be sent; anything else can be tried again, with the same message.
    pub(super) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let mut was_connected = self.connection.is_some();
        loop {
            match self.try_send(message) {
                Ok(()) => return Ok(()),
                Err(Errno::AGAIN) => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "nothing is taken from the socket",
                    ));
                }
                Err(error @ (Errno::MSGSIZE | Errno::NOBUFS)) if self.protocol == Protocol::Syslog => {
                    let why = format!("{} bytes in one message: {error}; lower --syslog-limit", message.len());
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
                }
                Err(error) => {
                    self.connection = None;
                    if !std::mem::take(&mut was_connected) {
                        // Not as a broken pipe, which is no reader for ever.
                        let error = io::Error::from(error);
                        return Err(io::Error::new(io::ErrorKind::NotConnected, error.to_string()));
                    }
                }
            }
        }
    }

    fn try_send(&mut self, message: &[u8]) -> Result<(), Errno> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(connect(&self.path, self.protocol)?),
        };
        loop {
            match connection.put(message, self.protocol) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut ready = [PollFd::new(&connection.socket, PollFlags::OUT)];
                    match rustix::event::poll(&mut ready, Some(&PATIENCE)) {
                        Ok(0) => return Err(Errno::AGAIN),
                        Ok(_) | Err(Errno::INTR) => {}
                        Err(error) => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Connection {
    fn put(&mut self, message: &[u8], protocol: Protocol) -> Result<(), Errno> {
        if self.is_stream {
            while let Some(rest) = message.get(self.sent..).filter(|rest| !rest.is_empty()) {
                self.sent += rustix::net::send(&self.socket, rest, SendFlags::NOSIGNAL)?;
            }
            self.sent = 0;
            return Ok(());
        }
        // A stream has lines; a datagram has an end.
        let datagram = match protocol {
            Protocol::Syslog => message.strip_suffix(b"\n").unwrap_or(message),
            Protocol::Journal => message,
        };
        match rustix::net::send(&self.socket, datagram, SendFlags::NOSIGNAL) {
            Err(Errno::MSGSIZE | Errno::NOBUFS) if protocol == Protocol::Journal => self.put_file(message),
            result => result.map(drop),
        }
    }

    /// Hands over a file that can't be changed any more.
    fn put_file(&self, message: &[u8]) -> Result<(), Errno> {
        let memory = rustix::fs::memfd_create("cert-recon", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut file = File::from(memory);
        file.write_all(message)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        rustix::fs::fcntl_add_seals(
            &file,
            SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
        )?;
        let files = [file.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&files));
        rustix::net::sendmsg(&self.socket, &[] as &[IoSlice<'_>], &mut control, SendFlags::NOSIGNAL).map(drop)
    }
}

fn connect(path: &Path, protocol: Protocol) -> Result<Connection, Errno> {
    let open = |kind, is_stream| {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, kind, flags, None)?;
        // Less is enough for most messages.
        let _ = sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER);
        rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(Connection {
            socket,
            sent: 0,
            is_stream,
        })
    };
    match open(SocketType::DGRAM, false) {
        Err(Errno::PROTOTYPE) if protocol == Protocol::Syslog => open(SocketType::STREAM, true),
        result => result,
    }
}

/// Whether there is something at the path that can't be a daemon's socket. That there is nothing may change.
pub(super) fn is_other(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| !meta.file_type().is_socket())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Read as _},
        os::unix::net::{UnixDatagram, UnixListener},
    };

    use super::*;
    use crate::testing::Folder;

    fn received(socket: &UnixDatagram) -> Vec<u8> {
        let mut buffer = vec![0; 1 << 16];
        let length = socket.recv(&mut buffer).unwrap();
        buffer.truncate(length);
        buffer
    }

    #[test]
    fn a_daemon_that_comes_late_or_comes_back_is_found() {
        let folder = Folder::new("socket-back");
        let path = folder.0.join("s");
        let mut socket = Socket::new(&path, Protocol::Syslog);
        assert_eq!(socket.send(b"a\n").unwrap_err().kind(), io::ErrorKind::NotConnected);
        for round in 0..3 {
            let daemon = UnixDatagram::bind(&path).unwrap();
            socket.send(format!("{round}\n").as_bytes()).unwrap();
            assert_eq!(received(&daemon), round.to_string().into_bytes());
            std::fs::remove_file(&path).unwrap();
            drop(daemon);
            assert_eq!(socket.send(b"gone\n").unwrap_err().kind(), io::ErrorKind::NotConnected);
        }
    }

    #[test]
    fn a_daemon_that_takes_nothing_is_not_waited_for_long_and_what_was_taken_is_whole() {
        let folder = Folder::new("socket-full");
        let path = folder.0.join("s");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let mut socket = Socket::new(&path, Protocol::Journal);
        let mut sent = 0;
        let error = loop {
            match socket.send(format!("{sent}").as_bytes()) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        for expected in 0..sent {
            assert_eq!(received(&daemon), expected.to_string().into_bytes());
        }
        socket.send(b"again").unwrap();
        assert_eq!(received(&daemon), b"again");
    }

    #[test]
    fn lines_of_a_stream_are_whole_also_after_the_daemon_went_away_in_one() {
        let folder = Folder::new("socket-stream");
        let path = folder.0.join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let mut socket = Socket::new(&path, Protocol::Syslog);
        socket.send(b"first\n").unwrap();
        let (mut first, _) = listener.accept().unwrap();
        let mut start = [0; 3];
        first.read_exact(&mut start).unwrap();
        // More than the kernel holds: it is broken off in the middle.
        let long = [vec![b'x'; 64 << 20], b"\n".to_vec()].concat();
        assert_eq!(socket.send(&long).unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(first);
        let reader = std::thread::spawn(move || {
            let mut lines = BufReader::new(listener.accept().unwrap().0).split(b'\n');
            [lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap()]
        });
        let mut tries = [&long[..], b"last\n"].into_iter();
        let mut message = tries.next();
        while let Some(text) = message {
            if socket.send(text).is_ok() {
                message = tries.next();
            }
        }
        let [again, last] = reader.join().unwrap();
        assert_eq!((again.len(), &last[..]), (64 << 20, &b"last"[..]));
    }

    #[test]
    fn what_is_no_socket_is_known() {
        let folder = Folder::new("socket-other");
        assert!(is_other(&folder.file("f", b"")));
        assert!(!is_other(&folder.0.join("none")));
        let _daemon = UnixDatagram::bind(folder.0.join("s")).unwrap();
        assert!(!is_other(&folder.0.join("s")));
    }
}
