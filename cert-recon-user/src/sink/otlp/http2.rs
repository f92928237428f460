//! One connection of HTTP/2 that requests of gRPC go over: what tonic's own channel does, without its balancing, buffering and
//! reconnecting, which are a third of a megabyte of the program. A connection that has ended is for the caller to replace.

use std::task::{Context, Poll};

use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tonic::{body::Body, codegen::Service};

/// A connection; a copy is the same one.
#[derive(Clone)]
pub(super) struct Connection(SendRequest<Body>);

impl Connection {
    /// Shakes hands. Needs a tokio runtime, which drives the connection until its last copy is dropped.
    ///
    /// # Errors
    /// The other side ended it.
    pub(super) async fn begin(stream: TcpStream) -> hyper::Result<Self> {
        let (requests, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self(requests))
    }

    /// Whether the other side has not ended it.
    pub(super) fn is_open(&self) -> bool {
        !self.0.is_closed()
    }
}

impl Service<Request<Body>> for Connection {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = hyper::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
