#include "persistence/memory_store.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "persistence/memory_tree.hpp"
#include "schema/limits.hpp"

namespace coppice {
namespace {

// One version of all tables.
struct version {
    std::array<memory_tree, table_count> trees;
    std::uint64_t number = 1;
    std::uint64_t bytes_used = 0;
};

row to_row(const memory_tree::entry& e) { return {e.key, e.value}; }

std::size_t size_of(const memory_tree::entry& e) { return e.key.size() + e.value.size(); }

// The reads of one version, with the place of each table's walk.
class memory_rows {
  public:
    explicit memory_rows(const version& v) : version_(v) {}

    std::optional<bytes_view> get(table t, bytes_view key) {
        check(t, key, false);
        const memory_tree::entry* found = tree(t).find(key);
        if (found == nullptr) return std::nullopt;
        given_ = found->value;
        return given_;
    }
    std::optional<row> seek(table t, bytes_view from) {
        check(t, from, true);
        return landed(t, tree(t).first_from(from));
    }
    std::optional<row> seek_before(table t, bytes_view before) {
        check(t, before, true);
        return landed(t, tree(t).last_before(before));
    }
    std::optional<row> next(table t) {
        check(t, {}, true);
        std::optional<bytes>& last = last_[static_cast<std::size_t>(t)];
        if (!last) return std::nullopt;
        return landed(t, tree(t).first_after(*last));
    }
    // Before a put of `value` or an erase; the same bugs are refused as on LMDB.
    void check_change(table t, bytes_view key, bytes_view value) {
        check(t, key, false);
        if (!value.empty() && given_.data() <= value.data() && value.data() < given_.data() + given_.size())
            throw std::logic_error("put of a view that the put itself ends");
        given_ = {};
    }

  private:
    const memory_tree& tree(table t) const { return version_.trees[static_cast<std::size_t>(t)]; }
    static void check(table t, bytes_view key, bool may_be_empty) {
        if (static_cast<std::size_t>(t) >= table_count) throw std::logic_error("no such table");
        if (key.size() > limits::key_size_max || (key.empty() && !may_be_empty))
            throw std::logic_error("a key of " + std::to_string(key.size()) + " bytes in table " +
                                   std::string(to_string(t)));
    }
    std::optional<row> landed(table t, const memory_tree::entry* at) {
        std::optional<bytes>& last = last_[static_cast<std::size_t>(t)];
        last.reset();
        if (at == nullptr) return std::nullopt;
        last.emplace(at->key);
        given_ = at->value;
        return to_row(*at);
    }

    const version& version_;
    std::array<std::optional<bytes>, table_count> last_;
    bytes_view given_;
};

class memory_read final : public read_transaction {
  public:
    explicit memory_read(std::shared_ptr<const version> v) : version_(std::move(v)), rows_(*version_) {}
    std::optional<bytes_view> get(table t, bytes_view key) override { return rows_.get(t, key); }
    std::optional<row> seek(table t, bytes_view from) override { return rows_.seek(t, from); }
    std::optional<row> seek_before(table t, bytes_view before) override { return rows_.seek_before(t, before); }
    std::optional<row> next(table t) override { return rows_.next(t); }

  private:
    std::shared_ptr<const version> version_;
    memory_rows rows_;
};

class memory_store final : public store {
  public:
    explicit memory_store(memory_options options)
        : options_(std::move(options)), committed_(std::make_shared<version>()) {}

    std::unique_ptr<write_transaction> begin_write() override;
    std::unique_ptr<read_transaction> begin_read() override { return std::make_unique<memory_read>(current()); }
    store_stats stats() override;
    bool has_room() override;

    // ---- for the write transaction
    std::shared_ptr<const version> current() const {
        const std::lock_guard lock(mutex_);
        return committed_;
    }
    bool fits(std::uint64_t bytes_used) const {
        return options_.bytes_max == 0 || bytes_used <= options_.bytes_max;
    }
    expected<void> commit(std::shared_ptr<const version> v);
    void write_ended() { writing_ = false; }

  private:
    const memory_options options_;
    std::atomic<bool> writing_ = false;
    mutable std::mutex mutex_; // guards what follows
    std::shared_ptr<const version> committed_;
    std::uint64_t commits_ = 0;
    bool refused_ = false;
};

class memory_write final : public write_transaction {
  public:
    explicit memory_write(memory_store& owner)
        : owner_(owner), version_(std::make_shared<version>(*owner.current())), rows_(*version_) {
        ++version_->number;
    }
    ~memory_write() override { abort(); }

    std::optional<bytes_view> get(table t, bytes_view key) override {
        if (status_ != errc::ok) return std::nullopt;
        return rows_.get(t, key);
    }
    std::optional<row> seek(table t, bytes_view from) override {
        if (status_ != errc::ok) return std::nullopt;
        return rows_.seek(t, from);
    }
    std::optional<row> seek_before(table t, bytes_view before) override {
        if (status_ != errc::ok) return std::nullopt;
        return rows_.seek_before(t, before);
    }
    std::optional<row> next(table t) override {
        if (status_ != errc::ok) return std::nullopt;
        return rows_.next(t);
    }
    void put(table t, bytes_view key, bytes_view value) override {
        rows_.check_change(t, key, value);
        store_value(t, key, bytes(value.begin(), value.end()));
    }
    std::span<std::byte> reserve(table t, bytes_view key, std::size_t size) override {
        rows_.check_change(t, key, {});
        memory_tree::entry* placed = store_value(t, key, bytes(size));
        if (placed == nullptr) return {};
        return placed->value;
    }
    bool erase(table t, bytes_view key) override;
    errc status() const override { return status_; }
    expected<void> commit() override;
    void abort() override;

  private:
    memory_tree::entry* store_value(table t, bytes_view key, bytes value);

    memory_store& owner_;
    std::shared_ptr<version> version_;
    memory_rows rows_;
    errc status_ = errc::ok;
    bool ended_ = false;
};

memory_tree::entry* memory_write::store_value(table t, bytes_view key, bytes value) {
    if (status_ != errc::ok) return nullptr;
    memory_tree& tree = version_->trees[static_cast<std::size_t>(t)];
    const memory_tree::entry* old = tree.find(key);
    const std::uint64_t used =
        version_->bytes_used - (old == nullptr ? 0 : size_of(*old)) + key.size() + value.size();
    if (!owner_.fits(used)) {
        status_ = errc::storage_full;
        return nullptr;
    }
    version_->bytes_used = used;
    return &tree.put(key, std::move(value), version_->number);
}

bool memory_write::erase(table t, bytes_view key) {
    rows_.check_change(t, key, {});
    if (status_ != errc::ok) return false;
    memory_tree& tree = version_->trees[static_cast<std::size_t>(t)];
    const memory_tree::entry* old = tree.find(key);
    if (old == nullptr) return false;
    version_->bytes_used -= size_of(*old);
    return tree.erase(bytes(key.begin(), key.end()), version_->number);
}

expected<void> memory_write::commit() {
    if (ended_) throw std::logic_error("commit of a transaction that has ended");
    ended_ = true;
    expected<void> answer = status_ == errc::ok
                                ? owner_.commit(version_)
                                : expected<void>(fail(status_, "the memory store has reached its bound"));
    if (status_ == errc::ok) status_ = errc::internal;
    owner_.write_ended();
    return answer;
}

void memory_write::abort() {
    if (ended_) return;
    ended_ = true;
    if (status_ == errc::ok) status_ = errc::internal;
    owner_.write_ended();
}

std::unique_ptr<write_transaction> memory_store::begin_write() {
    if (writing_.exchange(true)) throw std::logic_error("a write transaction is open already");
    return std::make_unique<memory_write>(*this);
}

expected<void> memory_store::commit(std::shared_ptr<const version> v) {
    const std::lock_guard lock(mutex_);
    ++commits_;
    refused_ = std::ranges::find(options_.failing_commits, commits_) != options_.failing_commits.end();
    if (refused_) return fail(errc::storage_full, "commit " + std::to_string(commits_) + " was to fail");
    committed_ = std::move(v);
    return {};
}

store_stats memory_store::stats() {
    store_stats out;
    out.map_bytes = options_.bytes_max;
    out.used_bytes = current()->bytes_used;
    out.page_bytes = 1;
    return out;
}

bool memory_store::has_room() {
    const std::lock_guard lock(mutex_);
    if (std::exchange(refused_, false)) return false;
    const double line = static_cast<double>(options_.bytes_max) * (1.0 - limits::storage_reserve_part);
    return options_.bytes_max == 0 || static_cast<double>(committed_->bytes_used) < line;
}

} // namespace

std::unique_ptr<store> make_memory_store(memory_options options) {
    return std::make_unique<memory_store>(std::move(options));
}

} // namespace coppice
