//! Bodies that begin to come before they are read.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;

use super::{Body, ByteStream, Origin};

impl Body {
    /// Begins to come now, where it comes over a network: up to `room` bytes before they are read, or one piece if that is longer.
    /// Others stay as they are. Must be called within a tokio runtime.
    #[must_use]
    pub fn ahead(mut self, room: usize) -> Self {
        self.origin = match self.origin {
            Origin::Stream(stream) => Origin::Stream(begin(stream, room)),
            Origin::Reopen(open) => {
                let stream = stream::once(async move { open(0).await }).try_flatten();
                Origin::Stream(begin(Box::pin(stream), room))
            }
            other => other,
        };
        self
    }
}

fn begin(mut stream: ByteStream, room: usize) -> ByteStream {
    let most = u32::try_from(room).unwrap_or(u32::MAX).max(1);
    let free = Arc::new(Semaphore::new(most as usize));
    let (send, mut pieces) = mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        while let Some(piece) = stream.next().await {
            let failed = piece.is_err();
            let len = piece.as_ref().map_or(0, |bytes| u32::try_from(bytes.len()).unwrap_or(most));
            let Ok(taken) = Arc::clone(&free).acquire_many_owned(len.min(most)).await else {
                return;
            };
            if send.send((piece, taken)).is_err() || failed {
                return;
            }
        }
    });
    let task = AbortOnDrop(task.abort_handle());
    Box::pin(stream::poll_fn(move |context| {
        let _held = &task;
        pieces.poll_recv(context).map(|next| next.map(|(piece, _taken)| piece))
    }))
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::{Error, ErrorKind, Expect, Result, sha256};

    /// A body of pieces of 1000 bytes, which counts those that were asked for.
    fn counted(pieces: usize, last: Option<ErrorKind>) -> (Body, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let body = Body::from_fn(move |_| {
            let count = Arc::clone(&count);
            let pieces = stream::iter(0..pieces).map(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                Ok(Bytes::from(vec![7; 1000]))
            });
            let last = last.map(|kind| Err(Error::new(kind, "cut off")));
            async move { Ok(Box::pin(pieces.chain(stream::iter(last))) as ByteStream) }
        });
        (body, asked)
    }

    async fn settled(asked: &AtomicUsize) -> usize {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        asked.load(Ordering::SeqCst)
    }

    async fn all(body: Body) -> Result<Bytes> {
        body.bytes(1 << 20).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn it_comes_unread_as_far_as_there_is_room() {
        let (body, asked) = counted(100, None);
        let body = body.ahead(10_500);
        // Ten have room, the eleventh waits for it.
        assert_eq!(settled(&asked).await, 11);
        let expect = Expect::digest(sha256(&vec![7; 100_000]));
        assert_eq!(all(body.expecting(&expect).unwrap()).await.unwrap().len(), 100_000);
        assert_eq!(asked.load(Ordering::SeqCst), 100);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_piece_that_is_longer_than_the_room_comes() {
        let (body, _) = counted(3, None);
        assert_eq!(all(body.ahead(10)).await.unwrap().len(), 3000);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_error_comes_in_its_place_and_a_digest_is_checked() {
        let (body, _) = counted(3, Some(ErrorKind::Unavailable));
        assert_eq!(all(body.ahead(1 << 20)).await.unwrap_err().kind(), ErrorKind::Unavailable);
        let (body, _) = counted(3, None);
        let body = body.expecting(&Expect::digest(sha256(b"other"))).unwrap();
        assert_eq!(all(body.ahead(1 << 20)).await.unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn dropped_it_comes_no_further() {
        let (body, asked) = counted(1000, None);
        let body = body.ahead(5000);
        settled(&asked).await;
        drop(body);
        let before = settled(&asked).await;
        assert_eq!(before, settled(&asked).await);
        assert!(before < 10, "{before}");
    }
}
