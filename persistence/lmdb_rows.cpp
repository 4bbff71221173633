#include "persistence/lmdb_rows.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace coppice {
namespace {

// A key given to a put is often a view of the very row that the put moves within its page; LMDB reads it after.
class key_copy {
  public:
    bytes_view of(bytes_view key) {
        std::memcpy(data_.data(), key.data(), key.size());
        return {data_.data(), key.size()};
    }

  private:
    std::array<std::byte, limits::key_size_max> data_;
};

} // namespace

lmdb_rows::place* lmdb_rows::at(table t, bytes_view key, bool may_be_empty) {
    const auto index = static_cast<std::size_t>(t);
    if (key.size() > limits::key_size_max || (key.empty() && !may_be_empty))
        throw std::logic_error("a key of " + std::to_string(key.size()) + " bytes in table " +
                               std::string(to_string(t)));
    if (index >= table_count || !tables_.present[index])
        throw std::logic_error("this store has no table " + std::string(to_string(t)));
    if (status_ != errc::ok) return nullptr;
    place& p = places_[index];
    if (p.snapshot == snapshot_) return &p;
    const lmdb::code c = p.cursor.is_open() ? p.cursor.renew(txn_) : p.cursor.open(txn_, tables_.handles[index]);
    if (failed(c)) return nullptr;
    p.snapshot = snapshot_;
    p.on_row = false;
    return &p;
}

bool lmdb_rows::failed(lmdb::code c) {
    if (c == 0) return false;
    if (c != MDB_NOTFOUND) fail_with(lmdb::errc_of_put(c), c);
    return true;
}

void lmdb_rows::fail_with(errc status, lmdb::code cause) {
    status_ = status;
    cause_ = cause;
}

void lmdb_rows::close() {
    for (place& p : places_) p.cursor.close();
}

std::optional<row> lmdb_rows::landed(place& p, lmdb::code c, const row& r) {
    p.on_row = !failed(c);
    if (!p.on_row) return std::nullopt;
    p.moved = false;
    p.key_size = static_cast<std::uint16_t>(std::min(r.key.size(), p.key.size()));
    std::memcpy(p.key.data(), r.key.data(), p.key_size);
    given_ = r.value;
    return r;
}

std::optional<bytes_view> lmdb_rows::get(table t, bytes_view key) {
    place* p = at(t, key, false);
    if (p == nullptr) return std::nullopt;
    p->moved = true;
    bytes_view value;
    if (failed(p->cursor.find(key, value))) return std::nullopt;
    given_ = value;
    return value;
}

std::optional<row> lmdb_rows::seek(table t, bytes_view from) {
    place* p = at(t, from, true);
    if (p == nullptr) return std::nullopt;
    row r;
    const lmdb::code c = from.empty() ? p->cursor.first(r) : p->cursor.find_from(from, r);
    return landed(*p, c, r);
}

std::optional<row> lmdb_rows::seek_before(table t, bytes_view before) {
    place* p = at(t, before, true);
    if (p == nullptr) return std::nullopt;
    // A walk backwards asks for what is before the row that it stands on.
    const bool stands_there =
        p->on_row && !p->moved && std::ranges::equal(before, bytes_view{p->key.data(), p->key_size});
    p->on_row = false;
    if (before.empty()) return std::nullopt;
    row r;
    const lmdb::code c = stands_there ? 0 : p->cursor.find_from(before, r);
    if (c != 0 && c != MDB_NOTFOUND) return landed(*p, c, r);
    return landed(*p, c == 0 ? p->cursor.previous(r) : p->cursor.last(r), r);
}

std::optional<row> lmdb_rows::next(table t) {
    place* p = at(t, {}, true);
    if (p == nullptr || !p->on_row) return std::nullopt;
    row r;
    if (!p->moved) return landed(*p, p->cursor.next(r), r);
    const bytes_view last{p->key.data(), p->key_size};
    lmdb::code c = p->cursor.find_from(last, r);
    if (c == 0 && std::ranges::equal(r.key, last)) c = p->cursor.next(r);
    return landed(*p, c, r);
}

void lmdb_rows::put(table t, bytes_view key, bytes_view value) {
    place* p = at(t, key, false);
    if (p == nullptr) return;
    p->moved = true;
    if (!value.empty() && given_.data() <= value.data() && value.data() < given_.data() + given_.size())
        throw std::logic_error("put of a view that the put itself ends");
    given_ = {};
    key_copy own;
    failed(p->cursor.put(own.of(key), value));
}

std::span<std::byte> lmdb_rows::reserve(table t, bytes_view key, std::size_t size) {
    place* p = at(t, key, false);
    if (p == nullptr) return {};
    p->moved = true;
    given_ = {};
    key_copy own;
    std::span<std::byte> room;
    if (failed(p->cursor.reserve(own.of(key), size, room))) return {};
    return room;
}

bool lmdb_rows::erase(table t, bytes_view key) {
    place* p = at(t, key, false);
    if (p == nullptr) return false;
    p->moved = true;
    given_ = {};
    bytes_view value;
    return !failed(p->cursor.find(key, value)) && !failed(p->cursor.erase());
}

} // namespace coppice
