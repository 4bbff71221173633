// Submissions as they come over RPC, alone and as a graph: whatever a client sends is refused, or becomes commands
// that leave the tables sound.
#include <capnp/serialize.h>
#include <kj/exception.h>

#include "actors/jobs/shard_machine.hpp"
#include "actors/jobs/store_check.hpp"
#include "persistence/memory_store.hpp"
#include "runtime/edge/graph_submission.hpp"
#include "tests/fuzz/fuzz_input.hpp"

namespace {

using namespace std::chrono_literals;
using coppice::fuzz::must;

constexpr coppice::shard_id shard{0};
constexpr coppice::instant start{1'800'000'000s};
constexpr const char* schema = R"({"type":"object","properties":{"k":{"type":"string","maxLength":8}}})";

// Tenant "acme" and the types "plain" and "strict": with a schema, a concurrency key and unique.
coppice::catalog declared() {
    coppice::catalog all;
    coppice::declared_tenant acme{coppice::tenant_id{1}, 1, {}};
    acme.spec.name = "acme";
    acme.spec.types = {"*"};
    all.put(std::make_shared<const coppice::declared_tenant>(acme));
    coppice::declared_type plain{coppice::type_id{1}, 1, {}, {}};
    plain.spec.name = "plain";
    all.put(std::make_shared<const coppice::declared_type>(std::move(plain)));
    coppice::declared_type strict{coppice::type_id{2}, 1, {}, {}};
    strict.spec.name = "strict";
    strict.spec.concurrency = {.by = "k", .running_max = 1, .rate = {}};
    strict.spec.unique = coppice::unique_spec{.by = {"k"}, .period = {}};
    strict.schema = std::move(*coppice::compiled_schema::compile(schema));
    all.put(std::make_shared<const coppice::declared_type>(std::move(strict)));
    return all;
}

class fuzzed_shard {
  public:
    fuzzed_shard() {
        machine_.load(*data_->begin_read());
        machine_.attach_worker(coppice::worker_id{1}, {"plain", "strict"}, 2);
        capnp::MallocMessageBuilder message;
        auto commands = message.initRoot<coppice::cmd::Entry>().initCommands(3);
        auto tenant = commands[0].initDeclareTenant();
        tenant.setTenant(1);
        tenant.getRow().setName("acme");
        tenant.getRow().setVersion(1);
        tenant.getRow().initTypes(1).set(0, "*");
        for (const unsigned i : {1U, 2U}) {
            auto type = commands[i].initDeclareType();
            type.setType(i);
            type.getRow().setName(i == 1 ? "plain" : "strict");
            type.getRow().setVersion(1);
            if (i == 1) continue;
            type.getRow().setKeyField("k");
            type.getRow().setKeyRunningMax(1);
            type.getRow().setUnique(true);
            type.getRow().setUniqueStates(15); // of those that have not ended
            type.getRow().initUniqueBy(1).set(0, "k");
        }
        apply(message.getRoot<coppice::cmd::Entry>());
    }
    void apply(coppice::cmd::Entry::Reader entry) {
        const auto transaction = data_->begin_write();
        out_.clear();
        now_ += 100ms;
        machine_.begin(*transaction, now_, out_);
        machine_.apply(entry);
        machine_.plan(100);
        machine_.finish();
        must(transaction->commit().has_value(), "memory takes all");
        const auto report = coppice::check_store(*data_->begin_read(), shard, 1);
        must(report.findings.empty(), report.findings.empty() ? "" : report.findings.front().c_str());
    }
    coppice::instant now() const { return now_; }

  private:
    std::unique_ptr<coppice::store> data_ = coppice::make_memory_store();
    coppice::shard_machine machine_{shard};
    coppice::batch_output out_;
    coppice::instant now_ = start;
};

void submit(fuzzed_shard& to, coppice::submission_builder& builder,
            capnp::List<coppice::api::JobSpec>::Reader jobs) {
    std::vector<coppice::submission_builder::checked> known;
    std::vector<unsigned> from;
    for (unsigned i = 0; i < std::min(jobs.size(), 16U); ++i)
        if (auto checked = builder.check(jobs[i])) {
            known.push_back(std::move(*checked));
            from.push_back(i);
        }
    capnp::MallocMessageBuilder message;
    auto commands = message.initRoot<coppice::cmd::Entry>().initCommands(static_cast<unsigned>(known.size()));
    for (unsigned i = 0; i < known.size(); ++i) {
        if (known[i].bad_payload) {
            builder.fill_refusal(known[i], commands[i].initRefuse());
            continue;
        }
        std::vector<coppice::job_id> after;
        for (const auto id : jobs[from[i]].getAfter())
            after.push_back(coppice::job_id::from_halves(id.getHigh(), id.getLow()));
        builder.fill(jobs[from[i]], known[i], after, commands[i].initSubmit());
    }
    to.apply(message.getRoot<coppice::cmd::Entry>().asReader());
}

} // namespace

// One byte says which of the two calls it is; its parameters follow, as a flat message.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const coppice::catalog all = declared();
    if (size < 1 + sizeof(capnp::word)) return 0;
    auto words = kj::heapArray<capnp::word>((size - 1) / sizeof(capnp::word));
    std::memcpy(words.begin(), data + 1, words.asBytes().size());
    const coppice::session_identity identity{
        .who = {.role = coppice::role::platform_owner, .tenant = {}, .subject = "fuzz"},
        .expires_at = start + 24h,
        .connection = {}};
    coppice::job_id_minter minter;
    fuzzed_shard machine;
    coppice::submission_builder builder{identity, all, minter, 1, machine.now()};
    try {
        capnp::FlatArrayMessageReader message(words, {1024 * 1024, 32});
        if (data[0] % 2 == 0) {
            submit(machine, builder, message.getRoot<coppice::api::JobService::SubmitParams>().getJobs());
            return 0;
        }
        coppice::shard_entries entries{1};
        bool evidence = false;
        coppice::graph_submission graph{builder, message.getRoot<coppice::api::JobService::SubmitGraphParams>()};
        const auto refused = graph.build(entries, evidence);
        must(refused.has_value() || entries.size() == 1, "a graph that is taken is one command");
        if (entries.size() == 1 && entries.entry_for(shard)) machine.apply(*entries.entry_for(shard));
    } catch (const kj::Exception&) { // as the call's: no message, or one that goes on for too long
    }
    return 0;
}
