#include "cluster/declared/declare_plan.hpp"

#include <algorithm>
#include <set>

#include "actors/governance/declared_commands.hpp"
#include "cluster/control/control_checks.hpp"
#include "cluster/declared/declared_record.hpp"
#include "schema/limits.hpp"
#include "schema/names.hpp"

namespace coppice {
namespace {

std::string shown(std::string_view kind, std::string_view name) {
    return std::string{kind} + " \"" + std::string{name} + "\"";
}

// A kind's counter during one plan.
struct numbering {
    std::uint64_t revision = 0; // of its key; 0: there is none
    std::uint32_t last = 0;
    bool taken = false;
};

class planning {
  public:
    planning(const declare_base& base, const spec_readers& readers, instant now)
        : base_(base), readers_(readers), now_(now) {}

    expected<declare_plan> run(const declare_documents& request);

  private:
    void read_copy();
    expected<void> add(const document& d, const std::string& by);
    expected<std::uint32_t> number_for(const std::string& kind);
    void write(declared_row row, declared_change change);
    expected<void> finish();

    const declare_base& base_;
    const spec_readers& readers_;
    const instant now_;
    std::map<std::string_view, const control_entry*> entries_;             // by key
    std::map<std::pair<std::string, std::uint32_t>, std::size_t> bearers_; // of a number of a kind
    std::map<std::string, std::uint32_t> highest_;                         // number of a kind in use
    std::map<std::string, numbering> numbers_;
    std::set<std::string> seen_;
    declare_plan plan_;
};

void planning::read_copy() {
    for (const control_entry& e : base_.copy.entries) {
        entries_.emplace(e.key, &e);
        const auto row = decode_declared(e.key, e.value);
        if (!row) continue; // it is in nobody's way, unless it is asked for
        ++bearers_[{row->kind, row->number}];
        highest_[row->kind] = std::max(highest_[row->kind], row->number);
    }
}

expected<std::uint32_t> planning::number_for(const std::string& kind) {
    auto [at, first] = numbers_.try_emplace(kind);
    numbering& n = at->second;
    if (first) {
        const auto stored = base_.counters.find(number_counter_key(kind));
        if (stored != base_.counters.end() && stored->second) {
            const auto last = parse_counter(stored->second->value);
            if (!last) return fail(errc::store_damaged, stored->first + ": " + last.error().detail);
            n.revision = stored->second->revision;
            n.last = *last;
        }
        // A counter that somebody erased or put back does not make numbers that are in use be given again.
        n.last = std::max(n.last, highest_[kind]);
    }
    if (n.last >= limits::tenants_max) return fail(errc::overloaded, "no number is left for this kind");
    n.taken = true;
    return ++n.last;
}

void planning::write(declared_row row, declared_change change) {
    if (change != declared_change::unchanged)
        plan_.txn.puts.push_back({declared_key(row.kind, row.name), encode(row)});
    plan_.changes.push_back({row.kind, row.name, change, row.version});
    plan_.rows.push_back(std::move(row));
}

expected<void> planning::add(const document& d, const std::string& by) {
    if (!is_known_kind(d.kind) || !is_name(d.name))
        return fail(errc::invalid_argument, shown(d.kind, d.name) + " is of no known kind, or has no name");
    const std::string key = declared_key(d.kind, d.name);
    if (!seen_.insert(key).second)
        return fail(errc::invalid_argument, shown(d.kind, d.name) + " is declared twice");
    declared_row row{.kind = d.kind, .name = d.name};
    auto change = declared_change::created;
    if (const auto there = entries_.find(key); there != entries_.end()) {
        auto stored = decode_declared(key, there->second->value);
        if (!stored)
            return fail(errc::store_damaged, "what the control store holds under " + key +
                                                 " cannot be read: " + stored.error().detail + "; erase it");
        if (bearers_[{stored->kind, stored->number}] > 1)
            return fail(errc::store_damaged, "the control store gives the number of " + shown(d.kind, d.name) +
                                                 " to another document too; erase the one that is wrong");
        row = std::move(*stored);
        change = row.spec == d.spec ? declared_change::unchanged : declared_change::updated;
    } else {
        const auto number = number_for(d.kind);
        if (!number) return tl::unexpected(number.error());
        row.number = *number;
    }
    if (change != declared_change::unchanged) {
        row.version += 1;
        row.spec = d.spec;
        row.changed_at = now_;
        row.changed_by = by;
        catalog unused;
        if (auto ok = put_row(row, readers_, unused); !ok)
            return fail(ok.error().code, shown(d.kind, d.name) + ": " + ok.error().detail);
    }
    write(std::move(row), change);
    return {};
}

// The counters, and what must not have changed.
expected<void> planning::finish() {
    if (plan_.txn.puts.empty()) return {};
    const std::size_t documents = plan_.txn.puts.size();
    for (const auto& [kind, n] : numbers_)
        if (n.taken) {
            plan_.txn.compares.push_back({number_counter_key(kind), n.revision});
            plan_.txn.puts.push_back({number_counter_key(kind), std::to_string(n.last)});
        }
    const auto found = base_.counters.find(std::string{declared_generation_key});
    const bool there = found != base_.counters.end() && found->second;
    const auto last = there ? parse_counter(found->second->value) : expected<std::uint32_t>{0};
    plan_.txn.compares.push_back({std::string{declared_generation_key}, there ? found->second->revision : 0});
    plan_.txn.puts.push_back({std::string{declared_generation_key}, std::to_string(last.value_or(0) + 1)});
    if (const auto ok = check_control_txn(plan_.txn); !ok)
        return fail(ok.error().code, "the request changes " + std::to_string(documents) +
                                         " documents, too much for one transaction (" + ok.error().detail +
                                         "); nothing was applied: apply fewer documents at a time");
    return {};
}

expected<declare_plan> planning::run(const declare_documents& request) {
    if (request.by.size() > limits::token_subject_size_max)
        return fail(errc::invalid_argument, "who declares has too long a name");
    read_copy();
    for (const document& d : request.documents)
        if (auto ok = add(d, request.by); !ok) return tl::unexpected(ok.error());
    if (auto ok = finish(); !ok) return tl::unexpected(ok.error());
    return std::move(plan_);
}

} // namespace

expected<std::vector<std::string>> counters_of(const declare_documents& request) {
    std::set<std::string> kinds;
    for (const document& d : request.documents) kinds.insert(d.kind);
    std::vector<std::string> keys{std::string{declared_generation_key}};
    for (const std::string& kind : kinds) {
        if (!is_known_kind(kind)) return fail(errc::invalid_argument, "documents of a kind that is not known here");
        keys.push_back(number_counter_key(kind));
    }
    return keys;
}

expected<declare_plan> plan_declaration(const declare_documents& request, const declare_base& base,
                                        const spec_readers& readers, instant now) {
    return planning{base, readers, now}.run(request);
}

} // namespace coppice
