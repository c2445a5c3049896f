//! Where a host is, and whether it speaks TLS.

use std::pin::pin;
use std::sync::atomic::Ordering;

use futures_util::future::{BoxFuture, Either, select};
use reqwest::{Method, Url};
use transship_core::{Error, ErrorKind, Observer, Result, ResultExt};

use super::address::is_loopback;
use super::attempt::{Failure, Reached};
use super::call::{Answer, Call};
use super::host::{Host, not_a_url};
use super::patience::Patience;
use crate::config::Server;
use crate::tls::Trust;

/// What came of a request that did not wait for the URL of its host.
pub(crate) type Early = Result<Answer, Failure>;

/// Makes the request that waits for the URL of its host.
pub(crate) type Waiting<'a> = &'a (dyn Fn(&Url) -> Result<Call> + Sync);

impl Host {
    /// Its URL: scheme, host and port.
    pub(crate) async fn base(&self, observer: &Observer, patience: Patience) -> Result<&Url> {
        self.base_and(observer, patience, None).await.map(|(base, _)| base)
    }

    /// Its URL, and what came of the request that waits for it, where that was sent meanwhile.
    ///
    /// Boxed, as all of the client that many call: the compiler would work out again for each caller what is in it.
    pub(crate) fn base_and<'a, 'b: 'a>(
        &'b self,
        observer: &'a Observer,
        patience: Patience,
        waiting: Option<Waiting<'a>>,
    ) -> BoxFuture<'a, Result<(&'b Url, Option<Early>)>> {
        Box::pin(self.find_base_and(observer, patience, waiting))
    }

    async fn find_base_and(
        &self,
        observer: &Observer,
        patience: Patience,
        waiting: Option<Waiting<'_>>,
    ) -> Result<(&Url, Option<Early>)> {
        self.away.check(&self.name, patience)?;
        if self.trust == Trust::Anyone && !self.warned.swap(true, Ordering::Relaxed) {
            observer.warn(format!("the certificate of {} is not verified", self.name));
        }
        let mut early = None;
        let find = async {
            // Large, and rarely needed.
            let found = Box::pin(self.find_base(observer, patience, waiting));
            let (base, answer) = found.await?;
            early = answer;
            Ok::<_, Error>(base)
        };
        let base = self.base.get_or_try_init(|| find).await?;
        Ok((base, early))
    }

    async fn find_base(
        &self,
        observer: &Observer,
        patience: Patience,
        waiting: Option<Waiting<'_>>,
    ) -> Result<(Url, Option<Early>)> {
        // Others may have found meanwhile that it cannot be reached.
        self.away.check(&self.name, patience)?;
        if let Some(server) = &self.server {
            return Ok((self.base_of(server)?, None));
        }
        let api = match self.name.as_str() {
            "docker.io" => "registry-1.docker.io",
            name => name,
        };
        let https = url(&format!("https://{api}/"))?;
        if !self.may_be_plain() {
            return Ok((https, None));
        }
        let http = url(&format!("http://{api}/"))?;
        // A server that does not speak TLS says so at the first byte.
        let ping = self.ping_of(&https)?;
        // What is sent in plain before that is seen by nobody outside of this machine.
        let waiting = waiting.filter(|_| is_loopback(&self.name));
        let waiting = waiting.map(|made| made(&http)).transpose()?;
        let mut tries = patience.tries(self.tries());
        loop {
            let (answer, early) = self.probe_beside(&ping, waiting.as_ref()).await;
            match answer {
                Ok(_) => return Ok((https, None)),
                Err(failure) if failure.reached == Reached::NoTls => return Ok((http, early)),
                Err(failure)
                    if failure.reached == Reached::Nothing && self.speaks_plain(&http).await? =>
                {
                    return Ok((http, early));
                }
                Err(failure) => {
                    self.note(patience, Some(&failure), observer);
                    self.wait_for(failure, &ping.what, &mut tries, observer)
                        .await
                        .context(|| &ping.what)?;
                }
            }
        }
    }

    /// Asks over TLS, and sends beside that, in plain and without credentials, the request that waits. What comes of it counts only
    /// where there is no TLS.
    async fn probe_beside(
        &self,
        ping: &Call,
        waiting: Option<&Call>,
    ) -> (Result<Answer, Failure>, Option<Early>) {
        let Some(waiting) = waiting else { return (self.probe(ping).await, None) };
        let (over_tls, plain) = (pin!(self.probe(ping)), pin!(self.probe(waiting)));
        match select(over_tls, plain).await {
            Either::Left((Err(failure), plain)) if failure.reached == Reached::NoTls => {
                (Err(failure), Some(plain.await))
            }
            Either::Left((answer, _)) => (answer, None),
            Either::Right((plain, over_tls)) => (over_tls.await, Some(plain)),
        }
    }

    fn base_of(&self, server: &Server) -> Result<Url> {
        if server.base.scheme() == "http" && self.shared.options.tls_verify == Some(true) {
            let (file, base) = (server.file.display(), &server.base);
            let message = format!("{file}: {base} is plain HTTP, and option tls-verify is true");
            return Err(Error::new(ErrorKind::Denied, message));
        }
        Ok(server.base.clone())
    }

    /// Whether it answers plain HTTP: on its own port, where there may be nothing that speaks TLS, or through a proxy.
    async fn speaks_plain(&self, http: &Url) -> Result<bool> {
        Ok(match self.probe(&self.ping_of(http)?).await {
            // What a proxy says of a place that it cannot reach is not that place's answer, and 400 is that of servers that want TLS.
            Ok(answer) => !matches!(answer.status.as_u16(), 400 | 407 | 502..=504),
            Err(_) => false,
        })
    }

    fn ping_of(&self, base: &Url) -> Result<Call> {
        let what = format!("finding out whether {} speaks TLS", self.name);
        Ok(Call::new(Method::GET, base.join("v2/").map_err(not_a_url)?, what))
    }

    /// Plain HTTP only to this machine, or when asked.
    pub(super) fn may_be_plain(&self) -> bool {
        let loopback = is_loopback(&self.name) && self.shared.options.tls_verify.is_none();
        loopback || self.trust == Trust::Anyone
    }
}

fn url(text: &str) -> Result<Url> {
    Url::parse(text).map_err(not_a_url)
}
