"""What every blob store must do, whatever it keeps the bytes in.

A store's own tests derive a class from :class:`BlobStoreSuite` and say how to make the store.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from ecr_emulator.blobs.store import (
    BlobMissing,
    BlobStore,
    DigestMismatch,
    Progress,
    UploadBusy,
)
from ecr_emulator.digests import digest_bytes

NOTHING = Progress(0, digest_bytes(b""))


def new_upload(store: BlobStore) -> str:
    """Begin an upload and return its id."""
    upload_id = str(uuid.uuid4())
    store.start_upload(upload_id)
    return upload_id


def append(store: BlobStore, upload_id: str, progress: Progress, *chunks: bytes) -> Progress:
    """Add chunks to an upload in a request of its own."""
    with store.upload(upload_id) as writer:
        return writer.append(progress, chunks)


def commit(store: BlobStore, upload_id: str, progress: Progress, digest: str) -> None:
    """End an upload in a request of its own."""
    with store.upload(upload_id) as writer, writer.commit(progress, digest):
        pass


def commit_unrecorded(
    store: BlobStore, upload_id: str, progress: Progress, error: type[BaseException] = RuntimeError
) -> None:
    """End an upload, but fail to record the blob."""
    with (
        pytest.raises(error),
        store.upload(upload_id) as writer,
        writer.commit(progress, progress.digest),
    ):
        raise error


def put(store: BlobStore, data: bytes) -> str:
    """Store a blob and return its digest."""
    upload_id = new_upload(store)
    progress = append(store, upload_id, NOTHING, data)
    commit(store, upload_id, progress, progress.digest)
    return progress.digest


def read(store: BlobStore, digest: str) -> bytes:
    """Return a blob's bytes."""
    with store.open(digest) as file:
        return file.read()


class BlobStoreSuite:
    """The tests; a derived class makes *store*, and *twin*: another process's view of it."""

    @pytest.fixture
    def store(self) -> BlobStore:
        raise NotImplementedError

    @pytest.fixture
    def twin(self, store: BlobStore) -> BlobStore:
        raise NotImplementedError

    def test_a_blob_is_read_as_it_was_written(self, store: BlobStore) -> None:
        upload_id = new_upload(store)
        progress = append(store, upload_id, NOTHING, b"abc", b"", b"def")
        assert progress == Progress(6, digest_bytes(b"abcdef"))
        commit(store, upload_id, progress, progress.digest)
        assert read(store, progress.digest) == b"abcdef"

    def test_a_blob_may_be_empty(self, store: BlobStore) -> None:
        upload_id = new_upload(store)
        commit(store, upload_id, NOTHING, NOTHING.digest)
        assert read(store, NOTHING.digest) == b""

    def test_an_append_may_be_empty(self, store: BlobStore) -> None:
        upload_id = new_upload(store)
        assert append(store, upload_id, NOTHING) == NOTHING
        progress = append(store, upload_id, NOTHING, b"abc")
        assert append(store, upload_id, progress, b"") == progress

    def test_a_blob_can_be_read_from_anywhere(self, store: BlobStore) -> None:
        digest = put(store, b"0123456789")
        with store.open(digest) as file:
            file.seek(7)
            assert file.read(2) == b"78"
            file.seek(1)
            assert file.read(3) == b"123"

    def test_an_upload_grows_by_appends(self, store: BlobStore) -> None:
        upload_id = new_upload(store)
        progress = NOTHING
        for number in range(5):
            progress = append(store, upload_id, progress, bytes([number]) * 1000)
        whole = b"".join(bytes([number]) * 1000 for number in range(5))
        assert progress == Progress(5000, digest_bytes(whole))
        commit(store, upload_id, progress, progress.digest)
        assert read(store, progress.digest) == whole

    def test_one_request_may_append_and_commit(self, store: BlobStore) -> None:
        upload_id = new_upload(store)
        with store.upload(upload_id) as writer:
            progress = writer.append(NOTHING, [b"abc"])
            progress = writer.append(progress, [b"def"])
            with writer.commit(progress, digest_bytes(b"abcdef")):
                pass
        assert read(store, digest_bytes(b"abcdef")) == b"abcdef"

    def test_another_process_goes_on(self, store: BlobStore, twin: BlobStore) -> None:
        upload_id = new_upload(store)
        progress = NOTHING
        for number, process in enumerate((store, twin, twin, store, store, twin)):
            progress = append(process, upload_id, progress, bytes([number]) * 10)
        commit(store, upload_id, progress, progress.digest)
        whole = b"".join(bytes([number]) * 10 for number in range(6))
        assert read(twin, digest_bytes(whole)) == whole

    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    def test_both_algorithms_name_blobs(self, store: BlobStore, algorithm: str) -> None:
        upload_id = new_upload(store)
        progress = append(store, upload_id, NOTHING, b"abc")
        digest = f"{algorithm}:{hashlib.new(algorithm, b'abc').hexdigest()}"
        commit(store, upload_id, progress, digest)
        assert read(store, digest) == b"abc"

    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    def test_a_commit_under_another_digest_changes_nothing(
        self, store: BlobStore, algorithm: str
    ) -> None:
        upload_id = new_upload(store)
        progress = append(store, upload_id, NOTHING, b"abc")
        wrong = digest_bytes(b"abd", algorithm)
        with pytest.raises(DigestMismatch):
            commit(store, upload_id, progress, wrong)
        with pytest.raises(BlobMissing):
            store.open(wrong)
        commit(store, upload_id, progress, progress.digest)
        assert read(store, progress.digest) == b"abc"

    def test_a_committed_upload_is_gone(self, store: BlobStore) -> None:
        upload_id = new_upload(store)
        commit(store, upload_id, NOTHING, NOTHING.digest)
        with pytest.raises(BlobMissing), store.upload(upload_id):
            pass

    def test_a_blob_may_be_committed_again(self, store: BlobStore) -> None:
        digest = put(store, b"abc")
        with store.open(digest) as file:
            assert put(store, b"abc") == digest
            assert file.read() == b"abc"
        assert read(store, digest) == b"abc"

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
    def test_chunks_that_break_off_leave_nothing(
        self, store: BlobStore, error: type[BaseException]
    ) -> None:
        def break_off() -> Iterator[bytes]:
            yield b"lost"
            raise error

        upload_id = new_upload(store)
        progress = append(store, upload_id, NOTHING, b"kept")
        with pytest.raises(error), store.upload(upload_id) as writer:
            writer.append(progress, break_off())
        progress = append(store, upload_id, progress, b" on")
        assert progress == Progress(7, digest_bytes(b"kept on"))
        commit(store, upload_id, progress, progress.digest)
        assert read(store, progress.digest) == b"kept on"

    def test_what_was_never_acknowledged_is_dropped(
        self, store: BlobStore, twin: BlobStore
    ) -> None:
        upload_id = new_upload(store)
        progress = append(store, upload_id, NOTHING, b"kept")
        append(store, upload_id, progress, b"never acknowledged")
        commit(twin, upload_id, progress, progress.digest)
        assert read(store, progress.digest) == b"kept"

    def test_a_digest_is_that_of_the_bytes_whoever_wrote_them(
        self, store: BlobStore, twin: BlobStore
    ) -> None:
        """One process appends and it is not acknowledged; another writes as many other bytes."""
        upload_id = new_upload(store)
        append(store, upload_id, NOTHING, b"xyz")
        progress = append(twin, upload_id, NOTHING, b"abc")
        progress = append(store, upload_id, progress, b"tail")
        assert progress == Progress(7, digest_bytes(b"abctail"))
        with pytest.raises(DigestMismatch):
            commit(store, upload_id, progress, digest_bytes(b"xyztail"))
        commit(store, upload_id, progress, progress.digest)
        assert read(store, progress.digest) == b"abctail"

    def test_bytes_that_are_not_there_are_missed(self, store: BlobStore) -> None:
        upload_id = new_upload(store)
        progress = append(store, upload_id, NOTHING, b"abc")
        with pytest.raises(BlobMissing):
            append(store, upload_id, Progress(4, digest_bytes(b"abcd")), b"e")
        with pytest.raises(BlobMissing):
            commit(store, upload_id, Progress(4, digest_bytes(b"abcd")), digest_bytes(b"abcd"))
        commit(store, upload_id, progress, progress.digest)

    def test_one_request_at_a_time_holds_an_upload(self, store: BlobStore, twin: BlobStore) -> None:
        upload_id, other = new_upload(store), new_upload(store)
        with store.upload(upload_id) as writer:
            for process in (store, twin):
                with pytest.raises(UploadBusy), process.upload(upload_id):
                    pass
            append(twin, other, NOTHING, b"abc")
            progress = writer.append(NOTHING, [b"abc"])
        assert append(twin, upload_id, progress, b"d").size == 4

    def test_an_upload_is_free_again_after_an_error(
        self, store: BlobStore, twin: BlobStore
    ) -> None:
        upload_id = new_upload(store)
        with pytest.raises(RuntimeError), store.upload(upload_id):
            raise RuntimeError
        append(twin, upload_id, NOTHING, b"abc")

    def test_a_discarded_upload_is_gone(self, store: BlobStore) -> None:
        upload_id = new_upload(store)
        append(store, upload_id, NOTHING, b"abc")
        store.discard_upload(upload_id)
        store.discard_upload(upload_id)
        with pytest.raises(BlobMissing), store.upload(upload_id):
            pass

    def test_an_upload_may_be_discarded_by_who_holds_it(self, store: BlobStore) -> None:
        upload_id = new_upload(store)
        with store.upload(upload_id):
            store.discard_upload(upload_id)
        with pytest.raises(BlobMissing), store.upload(upload_id):
            pass

    def test_what_was_never_there(self, store: BlobStore) -> None:
        with pytest.raises(BlobMissing):
            store.open(digest_bytes(b"abc"))
        with pytest.raises(BlobMissing), store.upload(str(uuid.uuid4())):
            pass
        assert store.size(digest_bytes(b"abc")) is None
        assert list(store.digests()) == list(store.uploads()) == []

    def test_a_blob_is_there_while_it_is_being_recorded(
        self, store: BlobStore, twin: BlobStore
    ) -> None:
        upload_id = new_upload(store)
        with store.upload(upload_id) as writer:
            progress = writer.append(NOTHING, [b"abc"])
            with writer.commit(progress, progress.digest):
                assert read(twin, progress.digest) == b"abc"

    def test_a_blob_that_is_not_recorded_after_all(self, store: BlobStore, twin: BlobStore) -> None:
        """The upload goes on as if nothing had been, and the blob is not touched by that."""
        upload_id = new_upload(store)
        progress = append(store, upload_id, NOTHING, b"abc")
        commit_unrecorded(store, upload_id, progress)
        assert read(store, progress.digest) == b"abc"
        longer = append(twin, upload_id, progress, b"def")
        assert read(store, progress.digest) == b"abc"
        commit(store, upload_id, longer, longer.digest)
        assert read(store, longer.digest) == b"abcdef"
        assert read(store, progress.digest) == b"abc"

    def test_a_blob_that_is_recorded_at_the_second_try(self, store: BlobStore) -> None:
        upload_id = new_upload(store)
        progress = append(store, upload_id, NOTHING, b"abc")
        commit_unrecorded(store, upload_id, progress)
        commit_unrecorded(store, upload_id, progress, KeyboardInterrupt)
        commit(store, upload_id, append(store, upload_id, progress), progress.digest)
        assert read(store, progress.digest) == b"abc"
        assert list(store.uploads()) == []

    def test_what_an_unrecorded_commit_held_more_is_dropped(self, store: BlobStore) -> None:
        """The last bytes came with the commit, so the next request knows nothing of them."""
        upload_id = new_upload(store)
        progress = append(store, upload_id, NOTHING, b"abc")
        with pytest.raises(RuntimeError), store.upload(upload_id) as writer:  # noqa: PT012
            longer = writer.append(progress, [b"def"])
            with writer.commit(longer, longer.digest):
                raise RuntimeError
        commit(store, upload_id, progress, progress.digest)
        assert read(store, progress.digest) == b"abc"
        assert read(store, longer.digest) == b"abcdef"

    def test_a_copied_upload_is_still_held(self, store: BlobStore, twin: BlobStore) -> None:
        upload_id = new_upload(store)
        with store.upload(upload_id) as writer:
            progress = writer.append(NOTHING, [b"abc"])
            with pytest.raises(RuntimeError), writer.commit(progress, progress.digest):
                raise RuntimeError
            writer.append(progress, [b"def"])
            with pytest.raises(UploadBusy), twin.upload(upload_id):
                pass
        append(twin, upload_id, progress, b"ghi")

    def test_a_collected_blob_is_gone(self, store: BlobStore) -> None:
        digest, other = put(store, b"abc"), put(store, b"abd")
        with store.open(digest) as file:
            assert store.collect(digest, lambda: True) == 3
            assert file.read() == b"abc", "a reader goes on"
        with pytest.raises(BlobMissing):
            store.open(digest)
        assert store.size(digest) is None
        assert store.collect(digest, lambda: True) == 0
        assert read(store, other) == b"abd"
        assert store.size(other) == 3

    def test_a_recorded_blob_is_not_collected(self, store: BlobStore) -> None:
        digest = put(store, b"abc")
        assert store.collect(digest, lambda: False) is None
        assert store.collect(digest_bytes(b"abd"), lambda: False) is None
        assert read(store, digest) == b"abc"

    def test_a_blob_is_not_collected_while_it_is_being_recorded(
        self, store: BlobStore, twin: BlobStore
    ) -> None:
        records: set[str] = set()
        data = b"abc"
        upload_id, digest = new_upload(store), digest_bytes(data)
        progress = append(store, upload_id, NOTHING, data)
        put(store, data)  # by somebody else, who has forgotten about it
        with ThreadPoolExecutor(1) as pool:
            with store.upload(upload_id) as writer, writer.commit(progress, digest):
                collected = pool.submit(twin.collect, digest, lambda: digest not in records)
                assert wait([collected], timeout=0.2).not_done
                records.add(digest)
            assert collected.result() is None
        assert read(store, digest) == data

    def test_what_is_stored_is_listed(self, store: BlobStore) -> None:
        digests = {put(store, b"abc"), put(store, b"abd")}
        upload_id = new_upload(store)
        append(store, upload_id, NOTHING, b"abc")
        commit(store, upload_id, Progress(3, digest_bytes(b"abc")), digest_bytes(b"abc", "sha512"))
        ids = {new_upload(store), new_upload(store)}
        assert set(store.digests()) == digests | {digest_bytes(b"abc", "sha512")}
        assert set(store.uploads()) == ids

    def test_clear_leaves_nothing(self, store: BlobStore) -> None:
        digest, upload_id = put(store, b"abc"), new_upload(store)
        append(store, upload_id, NOTHING, b"abc")
        store.clear()
        with pytest.raises(BlobMissing):
            store.open(digest)
        with pytest.raises(BlobMissing), store.upload(upload_id):
            pass
        assert read(store, put(store, b"abc")) == b"abc"

    def test_clear_in_the_middle_of_an_upload(self, store: BlobStore, twin: BlobStore) -> None:
        upload_id = new_upload(store)
        with store.upload(upload_id) as writer:
            progress = writer.append(NOTHING, [b"abc"])
            twin.clear()
            with pytest.raises(BlobMissing), writer.commit(progress, progress.digest):
                pass
        with pytest.raises(BlobMissing):
            store.open(progress.digest)

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "sha256:",
            "sha256:" + "0" * 63,
            "sha256:" + "0" * 65,
            "sha256:" + "A" * 64,
            "sha256:../../../../etc/passwd",
            "sha256:" + "../" * 21 + "a",
            "md5:" + "0" * 32,
            "sha256:" + "0" * 64 + "\n",
            "sha512:" + "0" * 64,
            "../sha256:" + "0" * 64,
        ],
    )
    def test_what_is_no_digest_names_nothing(self, store: BlobStore, name: str) -> None:
        for use in (store.open, store.size, lambda name: store.collect(name, lambda: True)):
            with pytest.raises(ValueError, match="not a digest"):
                use(name)
        upload_id = new_upload(store)
        with pytest.raises(ValueError, match="digest"):
            commit(store, upload_id, NOTHING, name)

    @pytest.mark.parametrize("name", ["", ".", "../blobs", "a" * 32 + "/..", "\0" * 36])
    def test_what_is_no_upload_id_names_nothing(self, store: BlobStore, name: str) -> None:
        for use in (store.start_upload, store.discard_upload):
            with pytest.raises(ValueError, match="UUID"):
                use(name)
        with pytest.raises(ValueError, match="UUID"), store.upload(name):
            pass

    def test_many_threads_store_and_collect_the_same_blob(
        self, store: BlobStore, twin: BlobStore
    ) -> None:
        """Whoever has recorded a blob finds it, whatever the collector does in between."""
        lock, users = threading.Lock(), {"count": 0}
        data, digest = b"the same", digest_bytes(b"the same")

        def unused() -> bool:
            with lock:
                return users["count"] == 0

        def use(process: BlobStore) -> None:
            for _ in range(50):
                upload_id = new_upload(process)
                with process.upload(upload_id) as writer:
                    progress = writer.append(NOTHING, [data])
                    with writer.commit(progress, digest), lock:
                        users["count"] += 1
                assert read(process, digest) == data
                with lock:
                    users["count"] -= 1

        done = threading.Event()

        def collect() -> int:
            count = 0
            while not done.is_set():
                count += bool(store.collect(digest, unused))
            return count

        with ThreadPoolExecutor(5) as pool:
            collected = pool.submit(collect)
            list(pool.map(use, (store, twin) * 2))
            done.set()
            assert collected.result() > 0

    def test_many_threads_store_the_same_blob(self, store: BlobStore, twin: BlobStore) -> None:
        data = b"the same" * 10_000
        start = threading.Barrier(8)

        def work(process: BlobStore) -> bool:
            start.wait()
            return read(process, put(process, data)) == data

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, (store, twin) * 4))
        assert read(store, digest_bytes(data)) == data
