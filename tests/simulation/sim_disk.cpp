#include "tests/simulation/sim_disk.hpp"

namespace coppice::testing {

class sim_write final : public write_transaction {
  public:
    explicit sim_write(sim_disk& disk) : disk_(disk), inner_(disk.rows_->begin_write()) {}
    std::optional<bytes_view> get(table t, bytes_view key) override { return inner_->get(t, key); }
    std::optional<row> seek(table t, bytes_view from) override { return inner_->seek(t, from); }
    std::optional<row> seek_before(table t, bytes_view before) override { return inner_->seek_before(t, before); }
    std::optional<row> next(table t) override { return inner_->next(t); }
    void put(table t, bytes_view key, bytes_view value) override {
        remember(t, key);
        inner_->put(t, key, value);
    }
    std::span<std::byte> reserve(table t, bytes_view key, std::size_t size) override {
        remember(t, key);
        return inner_->reserve(t, key, size);
    }
    bool erase(table t, bytes_view key) override {
        remember(t, key);
        return inner_->erase(t, key);
    }
    errc status() const override { return inner_->status(); }
    void abort() override { inner_->abort(); }
    expected<void> commit() override {
        if (disk_.closed) throw process_killed{};
        const auto killed = disk_.kill ? disk_.kill() : std::nullopt;
        disk_.killed = disk_.killed || killed;
        if (killed == false) throw process_killed{};
        if (disk_.full) {
            inner_->abort();
            return fail(errc::storage_full, "the simulated disk is full");
        }
        auto done = inner_->commit();
        if (done && disk_.forgets > 0) {
            disk_.undo_.push_back(std::move(before_));
            if (disk_.undo_.size() > disk_.forgets) disk_.undo_.pop_front();
        }
        if (killed == true) throw process_killed{};
        return done;
    }

  private:
    void remember(table t, bytes_view key) {
        if (disk_.forgets == 0) return;
        const auto value = inner_->get(t, key);
        before_.push_back({t, bytes{key.begin(), key.end()},
                           value ? std::optional{bytes{value->begin(), value->end()}} : std::nullopt});
    }

    sim_disk& disk_;
    std::unique_ptr<write_transaction> inner_;
    std::vector<sim_disk::row_before> before_;
};

std::unique_ptr<write_transaction> sim_disk::begin_write() { return std::make_unique<sim_write>(*this); }

void sim_disk::crash() {
    killed = closed = false;
    if (undo_.empty()) return;
    const auto rows = rows_->begin_write();
    for (; !undo_.empty(); undo_.pop_back())
        for (auto change = undo_.back().rbegin(); change != undo_.back().rend(); ++change) {
            if (change->value)
                rows->put(change->where, change->key, *change->value);
            else
                rows->erase(change->where, change->key);
        }
    (void)rows->commit();
}

} // namespace coppice::testing
