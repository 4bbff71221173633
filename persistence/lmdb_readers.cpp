#include "persistence/lmdb_readers.hpp"

namespace coppice {

lmdb::code lmdb_readers::take(std::unique_ptr<lmdb_reader>& out) {
    std::unique_lock lock(mutex_);
    const lmdb::code c = take_locked(lock, out);
    if (c != MDB_PANIC) return c;
    const std::uint64_t seen = generation_;
    changed_.wait_for(lock, limits::reader_age_max, [&] { return generation_ != seen; });
    return take_locked(lock, out);
}

lmdb::code lmdb_readers::take_locked(std::unique_lock<std::mutex>& lock, std::unique_ptr<lmdb_reader>& out) {
    changed_.wait(lock, [this] { return !drained_ && out_ < limits::store_readers_max; });
    if (idle_.empty()) {
        lmdb::transaction txn;
        if (const lmdb::code c = env_.begin_read(txn); c != 0) return c;
        out = std::make_unique<lmdb_reader>(std::move(txn), tables_);
    } else {
        std::unique_ptr<lmdb_reader> kept = std::move(idle_.back());
        idle_.pop_back();
        if (const lmdb::code c = kept->txn.renew(); c != 0) return c;
        kept->rows.renewed();
        out = std::move(kept);
    }
    ++out_;
    return 0;
}

void lmdb_readers::give_back(std::unique_ptr<lmdb_reader> reader) {
    reader->txn.reset();
    {
        const std::lock_guard lock(mutex_);
        --out_;
        if (reader->rows.status() == errc::ok && idle_.size() < limits::store_readers_kept)
            idle_.push_back(std::move(reader));
        else
            reader.reset();
    }
    changed_.notify_all();
}

bool lmdb_readers::drain(std::chrono::milliseconds at_most) {
    std::unique_lock lock(mutex_);
    drained_ = true;
    if (changed_.wait_for(lock, at_most, [this] { return out_ == 0; })) {
        idle_.clear();
        return true;
    }
    drained_ = false;
    lock.unlock();
    changed_.notify_all();
    return false;
}

void lmdb_readers::resume() {
    {
        const std::lock_guard lock(mutex_);
        drained_ = false;
        ++generation_;
    }
    changed_.notify_all();
}

} // namespace coppice
