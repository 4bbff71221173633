#include "persistence/lmdb_store.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <stdexcept>

#include "persistence/lmdb_check.hpp"
#include "persistence/lmdb_readers.hpp"
#include "persistence/storage_room.hpp"

namespace coppice {
namespace {

using steady = std::chrono::steady_clock;

class lmdb_store;

class lmdb_write final : public write_transaction {
  public:
    // `owner` outlives it. Without an open `txn` it is born failed, for the reason given.
    lmdb_write(lmdb_store& owner, const lmdb_tables& handles, lmdb::transaction txn, errc status, lmdb::code cause)
        : owner_(owner), txn_(std::move(txn)), rows_(txn_, handles) {
        rows_.fail_with(status, cause);
    }
    ~lmdb_write() override { abort(); }

    std::optional<bytes_view> get(table t, bytes_view key) override { return rows_.get(t, key); }
    std::optional<row> seek(table t, bytes_view from) override { return rows_.seek(t, from); }
    std::optional<row> seek_before(table t, bytes_view before) override { return rows_.seek_before(t, before); }
    std::optional<row> next(table t) override { return rows_.next(t); }
    void put(table t, bytes_view key, bytes_view value) override { rows_.put(t, key, value); }
    std::span<std::byte> reserve(table t, bytes_view key, std::size_t size) override {
        return rows_.reserve(t, key, size);
    }
    bool erase(table t, bytes_view key) override { return rows_.erase(t, key); }
    errc status() const override { return rows_.status(); }
    expected<void> commit() override;
    void abort() override;

  private:
    lmdb_store& owner_;
    lmdb::transaction txn_;
    lmdb_rows rows_;
    bool ended_ = false;
};

class lmdb_read final : public read_transaction {
  public:
    lmdb_read(lmdb_store& owner, std::unique_ptr<lmdb_reader> reader)
        : owner_(owner), reader_(std::move(reader)), rows_(reader_->rows) {}
    ~lmdb_read() override;

    std::optional<bytes_view> get(table t, bytes_view key) override { return rows_.get(t, key); }
    std::optional<row> seek(table t, bytes_view from) override { return rows_.seek(t, from); }
    std::optional<row> seek_before(table t, bytes_view before) override { return rows_.seek_before(t, before); }
    std::optional<row> next(table t) override { return rows_.next(t); }

  private:
    lmdb_store& owner_;
    std::unique_ptr<lmdb_reader> reader_;
    lmdb_rows& rows_;
};

class lmdb_store final : public store {
  public:
    explicit lmdb_store(const lmdb_options& options)
        : file_(options.file), map_bytes_(options.map_bytes / page_multiple * page_multiple),
          wanted_(options.tables.begin(), options.tables.end()), readers_(env_, tables_), room_(map_bytes_) {
        wanted_.push_back(table::meta);
    }
    ~lmdb_store() override { readers_.drain(limits::reader_age_max); }

    expected<void> open(const lmdb_options& options);

    std::unique_ptr<write_transaction> begin_write() override;
    std::unique_ptr<read_transaction> begin_read() override;
    store_stats stats() override;
    bool has_room() override;

    // ---- for the transactions
    // What `commit` of transaction `id`, which LMDB answered with `c`, means.
    expected<void> committed(std::uint64_t id, lmdb::code c);
    void write_ended(errc status);
    void give_back(std::unique_ptr<lmdb_reader> reader);
    failure failure_of(errc code, lmdb::code cause) const {
        return {code, file_.string() + ": " + lmdb::text_of(cause)};
    }

  private:
    static constexpr std::size_t page_multiple = 4096;

    lmdb::code open_environment();
    lmdb::code open_tables(lmdb::transaction& txn, bool is_new);
    bool must_reopen();
    bool reopen();
    void note_size();
    std::uint64_t disk_free() const;
    std::uint64_t free_pages(steady::time_point now);

    const std::filesystem::path file_;
    const std::size_t map_bytes_;
    std::vector<table> wanted_;
    lmdb::environment env_; // replaced by the writer only, while the readers are drained
    lmdb_tables tables_;
    lmdb_readers readers_;
    std::atomic<bool> writing_ = false;
    std::atomic<bool> damaged_ = false;

    std::mutex room_mutex_; // guards what follows
    storage_room room_;
    lmdb::environment_info size_{}; // after the last commit
    std::uint64_t free_pages_ = 0;
    std::uint64_t free_pages_of_ = 0; // transaction
    steady::time_point count_free_after_{};
};

// ---- transactions

expected<void> lmdb_write::commit() {
    if (ended_) throw std::logic_error("commit of a transaction that has ended");
    if (rows_.status() != errc::ok) {
        const failure why = owner_.failure_of(rows_.status(), rows_.cause());
        abort();
        return tl::unexpected(why);
    }
    ended_ = true;
    rows_.close();
    rows_.fail_with(errc::internal, EINVAL);
    const std::uint64_t id = txn_.id();
    return owner_.committed(id, txn_.commit());
}

void lmdb_write::abort() {
    if (ended_) return;
    ended_ = true;
    rows_.close();
    txn_.abort();
    owner_.write_ended(rows_.status());
    if (rows_.status() == errc::ok) rows_.fail_with(errc::internal, EINVAL);
}

lmdb_read::~lmdb_read() { owner_.give_back(std::move(reader_)); }

std::unique_ptr<write_transaction> lmdb_store::begin_write() {
    if (writing_.exchange(true)) throw std::logic_error("a write transaction is open already");
    lmdb::transaction txn;
    lmdb::code c = damaged_ ? MDB_CORRUPTED : env_.begin_write(txn);
    if (c == MDB_PANIC && reopen()) c = env_.begin_write(txn);
    errc status = lmdb::errc_of_commit(c);
    if (c == MDB_PANIC) status = errc::storage_full; // what brought it there; the next begin_write tries again
    return std::make_unique<lmdb_write>(*this, tables_, std::move(txn), status, c);
}

std::unique_ptr<read_transaction> lmdb_store::begin_read() {
    std::unique_ptr<lmdb_reader> reader;
    if (const lmdb::code c = readers_.take(reader); c != 0)
        throw std::runtime_error("no read transaction: " + lmdb::text_of(c));
    return std::make_unique<lmdb_read>(*this, std::move(reader));
}

void lmdb_store::give_back(std::unique_ptr<lmdb_reader> reader) {
    if (reader->rows.status() != errc::ok) damaged_ = true;
    readers_.give_back(std::move(reader));
}

void lmdb_store::write_ended(errc status) {
    {
        const std::lock_guard lock(room_mutex_);
        if (status == errc::storage_full) room_.refused(steady::now());
    }
    writing_ = false;
}

expected<void> lmdb_store::committed(std::uint64_t id, lmdb::code c) {
    if (c == 0) {
        note_size();
        writing_ = false;
        return {};
    }
    // A meta page may have reached the file although its write was answered with an error.
    const bool visible = env_.info().last_transaction >= id;
    if (visible && env_.sync() != 0) damaged_ = true;
    if (must_reopen()) reopen();
    const errc status = lmdb::errc_of_commit(c);
    write_ended(status);
    if (!visible) return tl::unexpected(failure_of(status, c));
    if (!damaged_) return {};
    return fail(errc::store_damaged, file_.string() + ": whether the last commit is on the disk cannot be told (" +
                                         lmdb::text_of(c) + "); check the disk, then start again");
}

// ---- opening

bool lmdb_store::must_reopen() {
    lmdb::transaction probe;
    return env_.begin_read(probe) == MDB_PANIC;
}

bool lmdb_store::reopen() {
    if (!readers_.drain(limits::reader_age_max)) return false;
    env_.close();
    lmdb::code c = open_environment();
    // LMDB wrote the old meta page back, but to the page cache only.
    if (c == 0) c = env_.sync();
    if (c == 0) {
        lmdb::transaction txn;
        c = env_.begin_write(txn);
        if (c == 0) c = open_tables(txn, false);
        if (c == 0) c = txn.commit();
    }
    if (c != 0) env_.close();
    readers_.resume();
    return c == 0;
}

lmdb::code lmdb_store::open_environment() {
    static constexpr unsigned readers_spare = 16; // for other processes that look, such as mdb_stat
    return lmdb::environment::open(file_, map_bytes_, table_count,
                                   static_cast<unsigned>(limits::store_readers_max) + readers_spare, env_);
}

lmdb::code lmdb_store::open_tables(lmdb::transaction& txn, bool is_new) {
    for (const table t : wanted_) {
        const auto index = static_cast<std::size_t>(t);
        const std::string name{to_string(t)};
        // Only a new store may lack `meta`: another program's file would lack it too. Other tables may be newer
        // than the store.
        const bool create = is_new || t != table::meta;
        if (const lmdb::code c = txn.open_table(name.c_str(), create, tables_.handles[index]); c != 0) return c;
        tables_.present[index] = true;
    }
    return 0;
}

expected<void> lmdb_store::open(const lmdb_options& options) {
    const auto refuse = [this](lmdb::code c) {
        const bool by_system =
            c == ENOENT || c == EACCES || c == EPERM || c == EISDIR || c == ENOTDIR || c == EROFS;
        return tl::unexpected(failure_of(by_system ? errc::invalid_argument : lmdb::errc_of_put(c), c));
    };
    if (expected<void> sound = check_lmdb_file(file_, limits::store_check_pages_max); !sound) return sound;
    if (const lmdb::code c = open_environment(); c != 0) return refuse(c);
    lmdb::transaction txn;
    std::size_t names = 0;
    lmdb::code c = env_.begin_write(txn);
    if (c == 0) c = txn.count_tables(names);
    if (c == 0) c = open_tables(txn, names == 0);
    if (c != 0) return refuse(c == MDB_NOTFOUND ? MDB_INVALID : c);
    writing_ = true;
    lmdb_write first(*this, tables_, std::move(txn), errc::ok, 0);
    if (expected<void> settled = settle_format(first, names == 0, options.format_version, options.migrations);
        !settled)
        return fail(settled.error().code, file_.string() + ": " + settled.error().detail);
    return first.commit();
}

// ---- room

void lmdb_store::note_size() {
    const lmdb::environment_info now = env_.info();
    const std::lock_guard lock(room_mutex_);
    size_ = now;
    room_.taken();
}

std::uint64_t lmdb_store::disk_free() const {
    struct statvfs disk {};
    if (::statvfs(file_.c_str(), &disk) != 0) return 0;
    return static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
}

// Counting takes as long as the free list has rows; spaced so that it takes at most a twentieth of the time.
std::uint64_t lmdb_store::free_pages(steady::time_point now) {
    static constexpr int spacing = 20;
    if (free_pages_of_ == size_.last_transaction || now < count_free_after_) return free_pages_;
    std::unique_ptr<lmdb_reader> reader;
    if (readers_.take(reader) != 0) return free_pages_;
    std::uint64_t counted = 0;
    const lmdb::code c = reader->txn.count_free_pages(counted);
    readers_.give_back(std::move(reader));
    const steady::time_point end = steady::now();
    count_free_after_ = end + spacing * (end - now);
    if (c != 0) return free_pages_;
    free_pages_of_ = size_.last_transaction;
    return free_pages_ = counted;
}

bool lmdb_store::has_room() {
    const steady::time_point now = steady::now();
    const std::lock_guard lock(room_mutex_);
    if (!room_.disk_is_trusted(now, [this] { return disk_free(); })) return false;
    if (room_.below_line(size_.pages * size_.page_bytes)) return true;
    const std::uint64_t free = std::min(free_pages(now), size_.pages);
    return room_.below_line((size_.pages - free) * size_.page_bytes);
}

store_stats lmdb_store::stats() {
    store_stats out;
    out.map_bytes = map_bytes_;
    std::unique_ptr<lmdb_reader> own; // holds the environment in place, and is itself among the readers listed
    if (readers_.take(own) != 0) return out;
    const lmdb::environment_info size = env_.info();
    std::uint64_t free = 0;
    if (own->txn.count_free_pages(free) != 0) free = 0;
    const std::vector<lmdb::reader_info> listed = env_.readers();
    readers_.give_back(std::move(own));

    free = std::min(free, size.pages);
    out.page_bytes = size.page_bytes;
    out.free_bytes = free * size.page_bytes;
    out.used_bytes = (size.pages - free) * size.page_bytes;
    if (listed.size() < 2) return out;
    const auto oldest = std::ranges::min_element(listed, {}, &lmdb::reader_info::transaction);
    out.readers = static_cast<std::uint32_t>(listed.size() - 1);
    out.oldest_reader = oldest->name;
    out.oldest_reader_lag = size.last_transaction - std::min(size.last_transaction, oldest->transaction);
    return out;
}

} // namespace

expected<std::unique_ptr<store>> open_lmdb_store(const lmdb_options& options) {
    auto made = std::make_unique<lmdb_store>(options);
    if (expected<void> opened = made->open(options); !opened) return tl::unexpected(opened.error());
    return made;
}

} // namespace coppice
