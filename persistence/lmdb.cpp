#include "persistence/lmdb.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace coppice::lmdb {

errc errc_of_put(code c) {
    switch (c) {
    case 0:
        return errc::ok;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG: // a file size limit of the process or the file system
        return errc::storage_full;
    default:
        return errc::store_damaged;
    }
}

errc errc_of_commit(code c) { return c == EIO ? errc::storage_full : errc_of_put(c); }

std::string text_of(code c) { return mdb_strerror(c); }

namespace {

// LMDB writes reader slots through a mapping of its lock file, which it leaves sparse: on a full disk the first
// touch of a page would be a SIGBUS. So its blocks are taken beforehand. Only while no environment of this process
// has the file open: closing any descriptor of it would drop LMDB's locks.
code take_lock_file_blocks(const std::filesystem::path& file, unsigned readers_max) {
    static constexpr off_t header_bytes = 4096;
    static constexpr off_t slot_bytes = 64;
    const int lock = ::open((file.string() + "-lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0) return errno;
    const code c = ::posix_fallocate(lock, 0, header_bytes + slot_bytes * static_cast<off_t>(readers_max));
    ::close(lock);
    return c;
}

} // namespace

code environment::open(const std::filesystem::path& file, std::size_t map_bytes, unsigned tables_max,
                       unsigned readers_max, environment& out) {
    if (const code c = take_lock_file_blocks(file, readers_max); c != 0) return c;
    environment made;
    if (const code c = mdb_env_create(&made.env_); c != 0) return c;
    if (const code c = mdb_env_set_mapsize(made.env_, map_bytes); c != 0) return c;
    if (const code c = mdb_env_set_maxdbs(made.env_, tables_max); c != 0) return c;
    if (const code c = mdb_env_set_maxreaders(made.env_, readers_max); c != 0) return c;
    if (const code c = mdb_env_open(made.env_, file.c_str(), MDB_NOSUBDIR | MDB_NOTLS, 0600); c != 0) return c;
    int dead = 0;
    if (const code c = mdb_reader_check(made.env_, &dead); c != 0) return c;
    out = std::move(made);
    return 0;
}

void environment::close() {
    if (env_ != nullptr) mdb_env_close(std::exchange(env_, nullptr));
}

code environment::begin_write(transaction& out) {
    if (env_ == nullptr) return MDB_PANIC;
    MDB_txn* txn = nullptr;
    const code c = mdb_txn_begin(env_, nullptr, 0, &txn);
    if (c == 0) out = transaction{txn};
    return c;
}

code environment::begin_read(transaction& out) {
    if (env_ == nullptr) return MDB_PANIC;
    MDB_txn* txn = nullptr;
    const code c = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn);
    if (c == 0) out = transaction{txn};
    return c;
}

code environment::sync() { return mdb_env_sync(env_, 1); }

environment_info environment::info() const {
    MDB_envinfo info{};
    MDB_stat stat{};
    mdb_env_info(env_, &info);
    mdb_env_stat(env_, &stat);
    return {info.me_mapsize, stat.ms_psize, info.me_last_pgno + 1, info.me_last_txnid};
}

namespace {

// A line of mdb_reader_list: pid, thread in hex, transaction or "-".
void add_reader(std::string_view line, std::vector<reader_info>& out) {
    const auto word = [&line] {
        line.remove_prefix(std::min(line.find_first_not_of(" \n"), line.size()));
        const std::string_view found = line.substr(0, line.find_first_of(" \n"));
        line.remove_prefix(found.size());
        return found;
    };
    const std::string_view pid = word();
    const std::string_view thread = word();
    const std::string_view number = word();
    reader_info reader;
    const auto parsed = std::from_chars(number.data(), number.data() + number.size(), reader.transaction);
    if (number.empty() || parsed.ec != std::errc{}) return;
    reader.name.append("pid ").append(pid).append(" thread ").append(thread);
    out.push_back(std::move(reader));
}

} // namespace

std::vector<reader_info> environment::readers() const {
    std::vector<reader_info> found;
    const auto take = [](const char* line, void* to) {
        add_reader(line, *static_cast<std::vector<reader_info>*>(to));
        return 0;
    };
    mdb_reader_list(env_, take, &found);
    return found;
}

code transaction::open_table(const char* name, bool create, MDB_dbi& out) {
    if (const code c = mdb_dbi_open(txn_, name, create ? MDB_CREATE : 0, &out); c != 0) return c;
    unsigned flags = 0;
    if (const code c = mdb_dbi_flags(txn_, out, &flags); c != 0) return c;
    return flags == 0 ? 0 : MDB_INCOMPATIBLE;
}

code transaction::count_tables(std::size_t& out) {
    MDB_dbi names = 0;
    if (const code c = open_table(nullptr, false, names); c != 0) return c;
    MDB_stat stat{};
    const code c = mdb_stat(txn_, names, &stat);
    out = stat.ms_entries;
    return c;
}

code transaction::get(MDB_dbi table, bytes_view key, bytes_view& value) {
    MDB_val k = to_val(key);
    MDB_val v{};
    const code c = mdb_get(txn_, table, &k, &v);
    value = to_view(v);
    return c;
}

code transaction::put(MDB_dbi table, bytes_view key, bytes_view value) {
    MDB_val k = to_val(key);
    MDB_val v = to_val(value);
    return mdb_put(txn_, table, &k, &v, 0);
}

code transaction::count_free_pages(std::uint64_t& out) {
    // Table 0 is LMDB's free list: a row for each transaction that freed pages, whose value begins with their
    // count.
    static constexpr MDB_dbi free_list = 0;
    cursor rows;
    if (const code c = rows.open(*this, free_list); c != 0) return c;
    out = 0;
    row r;
    code c = rows.first(r);
    for (; c == 0; c = rows.next(r)) {
        std::size_t count = 0;
        if (r.value.size() < sizeof count) return MDB_CORRUPTED;
        std::memcpy(&count, r.value.data(), sizeof count);
        out += count;
    }
    return c == MDB_NOTFOUND ? 0 : c;
}

} // namespace coppice::lmdb
