// Commands, as one node has another propose them: whatever they hold, the tables stay sound.
#include <capnp/serialize.h>
#include <kj/exception.h>

#include "actors/jobs/shard_machine.hpp"
#include "actors/jobs/store_check.hpp"
#include "persistence/memory_store.hpp"
#include "tests/fuzz/fuzz_input.hpp"

namespace {

constexpr coppice::shard_id shard{5};
constexpr coppice::instant start{std::chrono::seconds{1'800'000'000}};

class fuzzed_shard {
  public:
    // As group_commit does: an entry that turns out to be none costs the batch.
    void batch(coppice::bytes_view entry) {
        const auto transaction = data_->begin_write();
        out_.clear();
        now_ += std::chrono::milliseconds{100};
        try {
            machine_->begin(*transaction, now_, out_);
            apply(entry);
            machine_->plan(100);
            machine_->finish();
        } catch (const kj::Exception&) {
            transaction->abort();
            load();
            return;
        }
        coppice::fuzz::must(transaction->commit().has_value(), "memory takes all");
    }
    void load() {
        machine_ = std::make_unique<coppice::shard_machine>(shard);
        machine_->load(*data_->begin_read());
        machine_->attach_worker(coppice::worker_id{1}, {"build"}, 2);
    }
    void check() const {
        const auto report = coppice::check_store(*data_->begin_read(), shard, 1);
        coppice::fuzz::must(report.findings.empty(),
                            report.findings.empty() ? "" : report.findings.front().c_str());
    }

  private:
    void apply(coppice::bytes_view bytes) {
        if (bytes.size() % sizeof(capnp::word) != 0) return;
        auto words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
        std::memcpy(words.begin(), bytes.data(), bytes.size());
        capnp::FlatArrayMessageReader message(words, {1024 * 1024, 32});
        machine_->apply(message.getRoot<coppice::cmd::Entry>());
    }

    std::unique_ptr<coppice::store> data_ = coppice::make_memory_store();
    std::unique_ptr<coppice::shard_machine> machine_;
    coppice::batch_output out_;
    coppice::instant now_ = start;
};

} // namespace

// Entries one after the other, each with its size in words before it, in two bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzzed_shard one;
    one.load();
    std::span<const std::byte> rest = std::as_bytes(std::span{data, size});
    for (int batches = 0; rest.size() > 2 && batches < 16; ++batches) {
        const std::size_t words = std::to_integer<std::size_t>(rest[0]) | std::to_integer<std::size_t>(rest[1])
                                                                              << 8;
        rest = rest.subspan(2);
        const std::size_t bytes = std::min(rest.size(), words * sizeof(capnp::word));
        one.batch(rest.subspan(0, bytes));
        rest = rest.subspan(bytes);
    }
    one.check();
    return 0;
}
