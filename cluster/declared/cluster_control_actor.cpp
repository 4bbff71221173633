#include "cluster/declared/cluster_control_actor.hpp"

#include <algorithm>
#include <caf/send.hpp>

#include "cluster/declared/declared_record.hpp"
#include "schema/limits.hpp"

namespace coppice {
namespace {

using pointer = cluster_control_handle::stateful_pointer<cluster_control_state>;
using options_ptr = std::shared_ptr<const cluster_control_options>;
using run_ptr = std::unique_ptr<declare_run>;

// Sends to the actor if it still lives; from any thread, and without keeping it alive.
template <class Message>
void send_to(const caf::weak_actor_ptr& actor, Message message) {
    if (const auto strong = caf::actor_cast<caf::strong_actor_ptr>(actor))
        caf::anon_send(caf::actor_cast<cluster_control_handle>(strong), std::move(message));
}

// The counters as they are asked for, one after the other come in, from the store's thread or the asker's.
struct counter_reading {
    std::mutex mutex;
    std::size_t left = 0;
    counters_read answer;
};

shard_teller::sort sort_of(std::string_view kind) {
    if (kind == tenant_kind) return shard_teller::sort::tenant;
    return kind == job_type_kind ? shard_teller::sort::type : shard_teller::sort::schedule;
}

// Of the document on the board; 0: it is not there.
std::uint64_t version_on(const catalog& board, const declared_row& row) {
    const auto* tenant = row.kind == tenant_kind ? board.tenant(row.name) : nullptr;
    const auto* type = row.kind == job_type_kind ? board.type(row.name) : nullptr;
    const auto* schedule = row.kind == schedule_kind ? board.schedule(row.name) : nullptr;
    if (tenant != nullptr) return tenant->version;
    if (type != nullptr) return type->version;
    return schedule != nullptr ? schedule->version : 0;
}

// Whether that shard is told of it: a schedule is told to its tenant's alone.
bool concerns(const catalog& board, const declared_row& row, shard_id shard, std::size_t shards) {
    if (row.kind != schedule_kind) return true;
    const declared_schedule* schedule = board.schedule(row.name);
    const declared_tenant* tenant = schedule == nullptr ? nullptr : board.tenant(schedule->spec.tenant);
    return tenant != nullptr && shard_of(tenant->id, shards) == shard;
}

// ---- the requests

class control {
  public:
    control(pointer self, options_ptr options) : self_(self), s_(self->state), options_(std::move(options)) {}

    void request(const std::shared_ptr<declare_documents>& request);
    void changed();
    void counters(counters_read message);
    void committed(declaration_committed message);
    void told(const shard_told& message);
    void tick();

  private:
    shard_teller::time now() const { return std::chrono::steady_clock::now(); }
    caf::weak_actor_ptr me() const { return caf::weak_actor_ptr{self_->ctrl()}; }

    void begin();
    void read();
    void go_on();
    void commit();
    void settle_doubt(declare_run& run) const;
    void again(const failure& why);
    void refuse_current(failure why);
    void look_at_committed();
    std::optional<expected<void>> in_force(const declare_run& run) const;
    std::string what_is_missing() const;
    void tell_shards();
    void arrange_tick();

    pointer self_;
    cluster_control_state& s_;
    options_ptr options_;
};

void control::request(const std::shared_ptr<declare_documents>& request) {
    if (s_.waiting.size() + s_.committed.size() + (s_.current ? 1 : 0) >= limits::declare_requests_max)
        return request->done(fail(errc::overloaded, "too many applies are under way on this node", 1000));
    s_.waiting.push_back(std::make_unique<declare_run>(request, now() + limits::declare_patience));
    begin();
}

// One at a time: two of this node would only get in each other's way.
void control::begin() {
    if (s_.current || s_.waiting.empty()) return;
    s_.current = std::move(s_.waiting.front());
    s_.waiting.pop_front();
    read();
}

// What was sent and not answered may have happened whatever fails after it.
void control::refuse_current(failure why) {
    if (!s_.current->in_doubt.empty())
        why = {errc::unknown_outcome, "it may have been declared, or may yet be: " + why.detail};
    std::exchange(s_.current, nullptr)->answer(tl::unexpected(std::move(why)));
    begin();
}

void control::read() {
    declare_run& run = *s_.current;
    const auto keys = counters_of(*run.request);
    if (!keys) return refuse_current(keys.error());
    run.reading = true;
    const auto reading = std::make_shared<counter_reading>();
    reading->left = keys->size();
    reading->answer.step = ++s_.step;
    for (const std::string& key : *keys)
        options_->store->get(key, [reading, key, me = me()](expected<std::optional<control_entry>> entry) {
            const std::lock_guard guard{reading->mutex};
            auto& counters = reading->answer.counters;
            if (!entry)
                counters = tl::unexpected(entry.error());
            else if (counters)
                counters->emplace(key, std::move(*entry));
            if (--reading->left == 0) send_to(me, std::move(reading->answer));
        });
    arrange_tick();
}

void control::counters(counters_read message) {
    if (!s_.current || message.step != s_.step || !s_.current->reading) return;
    s_.current->reading = false;
    if (!message.counters) return refuse_current(message.counters.error());
    s_.current->base.counters = std::move(*message.counters);
    go_on();
}

// Plans and commits, once the copy has what the generation's counter says that there is: it is written with every
// document, so a copy at its revision has them all.
void control::go_on() {
    declare_run& run = *s_.current;
    if (run.reading || run.committing) return;
    const control_mirror_status status = options_->copy->status();
    run.base.copy = options_->copy->listing();
    const auto& generation = run.base.counters[std::string{declared_generation_key}];
    if (!status.connected || !status.filled || (generation && run.base.copy.at.revision < generation->revision)) {
        if (now() < run.deadline) return arrange_tick();
        return refuse_current({errc::unavailable,
                               "this node's copy of what is declared is behind the control store" +
                                   (status.why.empty() ? "" : ": " + status.why),
                               1000});
    }
    auto plan = plan_declaration(*run.request, run.base, options_->readers, options_->clock());
    if (!plan) return refuse_current(plan.error());
    run.plan = std::move(*plan);
    settle_doubt(run);
    if (run.request->dry_run) {
        const run_ptr done = std::move(s_.current);
        done->answer(std::move(done->plan.changes));
        return begin();
    }
    if (!run.plan.txn.puts.empty()) return commit();
    s_.committed.push_back(std::move(s_.current));
    look_at_committed();
    begin();
}

// A commit of unknown outcome that did happen is told as what it did.
void control::settle_doubt(declare_run& run) const {
    for (const declare_plan& doubted : run.in_doubt)
        for (std::size_t i = 0; i < run.plan.rows.size(); ++i) {
            const declared_row &is = run.plan.rows[i], &meant = doubted.rows[i];
            if (run.plan.changes[i].change == declared_change::unchanged && is.version == meant.version &&
                is.changed_at == meant.changed_at && is.changed_by == meant.changed_by)
                run.plan.changes[i].change = doubted.changes[i].change;
        }
}

void control::commit() {
    declare_run& run = *s_.current;
    run.committing = true;
    ++run.attempts;
    options_->store->commit(run.plan.txn, [step = ++s_.step, me = me()](auto result) {
        send_to(me, declaration_committed{step, std::move(result)});
    });
}

void control::committed(declaration_committed message) {
    if (!s_.current || message.step != s_.step || !s_.current->committing) return;
    s_.current->committing = false;
    if (!message.result) return again(message.result.error().why);
    s_.committed.push_back(std::move(s_.current));
    look_at_committed();
    begin();
    arrange_tick();
}

// Whatever was in doubt compared the same generation: it can happen only while nobody else's has, so to read and
// plan anew never does it twice.
void control::again(const failure& why) {
    declare_run& run = *s_.current;
    if (why.code != errc::conflict && why.code != errc::unknown_outcome) return refuse_current(why);
    if (why.code == errc::unknown_outcome) run.in_doubt.push_back(run.plan);
    if (run.attempts >= limits::declare_attempts_max || now() >= run.deadline)
        return refuse_current({errc::overloaded, "others keep changing what is declared; try again", 1000});
    read();
}

// ---- what is in force

// ok: on the board, and committed by every shard; nothing: not yet.
std::optional<expected<void>> control::in_force(const declare_run& run) const {
    const catalog_ptr board = options_->board->get();
    for (const declared_row& row : run.plan.rows) {
        const auto here = version_on(*board, row);
        if (here < row.version) return std::nullopt;
        for (std::size_t i = 0; i < s_.tellers.size(); ++i) {
            if (!concerns(*board, row, options_->shards[i], s_.tellers.size())) continue;
            auto told = s_.tellers[i].told({sort_of(row.kind), row.name}, here);
            if (!told || !*told) return told;
        }
    }
    return expected<void>{};
}

std::string control::what_is_missing() const {
    std::string text = "declared, but not yet in force here";
    const control_mirror_status status = options_->copy->status();
    if (!status.connected) text += "; the control store is away: " + status.why;
    for (std::size_t i = 0; i < s_.tellers.size(); ++i)
        if (!s_.tellers[i].idle())
            text += "; shard " + std::to_string(options_->shards[i].value) + ": " + s_.tellers[i].last_trouble();
    return text;
}

void control::look_at_committed() {
    for (auto at = s_.committed.begin(); at != s_.committed.end();) {
        declare_run& run = **at;
        const auto now_in_force = in_force(run);
        if (!now_in_force && now() < run.deadline) {
            ++at;
            continue;
        }
        const run_ptr done = std::move(*at);
        at = s_.committed.erase(at);
        if (!now_in_force)
            done->answer(fail(errc::unavailable, what_is_missing(), 1000));
        else if (!*now_in_force)
            done->answer(fail(now_in_force->error().code,
                              "declared, but not yet in force: " + now_in_force->error().detail));
        else
            done->answer(std::move(done->plan.changes));
    }
}

void control::changed() {
    s_.change_under_way->store(false);
    const control_listing listing = options_->copy->listing();
    auto read = s_.catalog->take(listing);
    for (const auto& [key, why] : read.refused)
        if (options_->refused) options_->refused(key, why);
    s_.card.state(s_.catalog->refused() == 0
                      ? "follows"
                      : std::to_string(s_.catalog->refused()) + " documents are not in force; the log says why");
    for (std::size_t i = 0; i < s_.tellers.size(); ++i)
        s_.tellers[i].want(*read.all, options_->shards[i], s_.tellers.size());
    options_->board->set(std::move(read.all));
    if (options_->refresh) options_->refresh->in_force(listing.at.revision);
    tell_shards();
    if (s_.current) go_on();
    look_at_committed();
    arrange_tick();
}

void control::tell_shards() {
    for (std::size_t i = 0; i < s_.tellers.size(); ++i)
        if (const auto batch = s_.tellers[i].next(now()))
            options_->journal.propose(
                make_declarations(*batch, options_->shards[i], [i, me = me()](std::span<command_result> results) {
                    send_to(me, shard_told{i, {results.begin(), results.end()}});
                }));
}

void control::told(const shard_told& message) {
    s_.tellers.at(message.teller).answered(message.results, now());
    tell_shards();
    look_at_committed();
    arrange_tick();
}

void control::tick() {
    s_.ticking = false;
    tell_shards();
    if (s_.current) go_on();
    look_at_committed();
    arrange_tick();
}

void control::arrange_tick() {
    const bool all_told = std::ranges::all_of(s_.tellers, [](const shard_teller& t) { return t.idle(); });
    if (s_.ticking || (!s_.current && s_.committed.empty() && all_told)) return;
    s_.ticking = true;
    self_->delayed_send(self_, limits::declare_tick_interval, declare_tick{});
}

} // namespace

cluster_control_handle::behavior_type cluster_control_actor(pointer self, tree_handle card,
                                                            cluster_control_options given) {
    cluster_control_state& s = self->state;
    s.card = std::move(card);
    s.catalog = std::make_unique<declared_catalog>(given.readers);
    s.tellers.resize(given.shards.size());
    const auto options = std::make_shared<const cluster_control_options>(std::move(given));
    // One message about changes is enough, however many there are.
    options->copy->on_change([pending = s.change_under_way, me = caf::weak_actor_ptr{self->ctrl()}] {
        if (!pending->exchange(true)) send_to(me, declared_changed{});
    });
    // What the copy has already, before the first request.
    const auto run = std::make_shared<control>(self, options);
    run->changed();
    return {
        [run](const std::shared_ptr<declare_documents>& request) { run->request(request); },
        [run](declared_changed) { run->changed(); },
        [run](const counters_read& message) { run->counters(message); },
        [run](const declaration_committed& message) { run->committed(message); },
        [run](const shard_told& message) { run->told(message); },
        [run](declare_tick) { run->tick(); },
    };
}

} // namespace coppice
