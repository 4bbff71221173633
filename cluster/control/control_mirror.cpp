#include "cluster/control/control_mirror.hpp"

#include <map>

#include "persistence/keys.hpp"
#include "schema/limits.hpp"

namespace coppice {

class control_mirror::copy final : public control_watcher {
  public:
    explicit copy(control_mirror_options options) : options_(std::move(options)) {}

    void load();
    std::optional<control_position> position() const;
    void close();

    void reset(control_listing all) override;
    void changed(std::vector<control_change> changes, control_position at) override;
    void connected(control_position at) override;
    void disconnected(const failure& why) override;

    std::optional<control_entry> get(std::string_view key) const;
    control_listing list(std::string_view prefix) const;
    control_mirror_status status() const;

  private:
    using entries = std::map<std::string, control_entry, std::less<>>;

    void take(const std::vector<control_change>& changes, control_position at);
    std::vector<control_change> difference(const control_listing& all) const;
    void write(const std::vector<control_change>& changes);
    expected<void> write_whole(tables& to) const;
    void write_position(tables& to) const;
    std::string meta_name() const { return "control_mirror/" + options_.prefix; }

    const control_mirror_options options_;

    std::mutex calling_; // held during every call of the store, so that close waits for one under way
    bool closed_ = false;
    bool on_disk_ = false;  // the rows are the copy as it was before the change at hand
    instant noted_ = never; // the as_of on disk

    mutable std::mutex mutex_; // guards what follows; written only with `calling_` held too
    entries entries_;
    control_mirror_status status_;
};

// ---- disk

void control_mirror::copy::load() {
    if (!options_.rows) return;
    const auto snapshot = options_.rows->read();
    if (!snapshot) return;
    const auto stored = (*snapshot)->get(table::meta, as_bytes_view(meta_name()));
    if (!stored) return;
    key_reader head{*stored};
    const control_position at{head.u64(), head.u64()};
    const instant as_of = from_us(static_cast<std::int64_t>(head.u64()));
    auto rows = entries_of(**snapshot, table::control_mirror, options_.prefix);
    if (!rows || !head.ok()) return;
    for (control_entry& e : *rows) entries_.emplace(e.key, std::move(e));
    status_.filled = true;
    status_.at = at;
    status_.as_of = noted_ = as_of;
    on_disk_ = true;
}

void control_mirror::copy::write_position(tables& to) const {
    to.put(table::meta, as_bytes_view(meta_name()),
           row_key{}
               .u64(status_.at.history)
               .u64(status_.at.revision)
               .u64(static_cast<std::uint64_t>(to_us(status_.as_of))));
}

expected<void> control_mirror::copy::write_whole(tables& to) const {
    const bytes_view prefix = as_bytes_view(options_.prefix);
    const bytes_view from = as_bytes_view(options_.prefix.empty() ? std::string_view{"\0", 1} : options_.prefix);
    for (auto r = to.seek(table::control_mirror, from); r && has_prefix(r->key, prefix);
         r = to.seek(table::control_mirror, from))
        to.erase(table::control_mirror, bytes{r->key.begin(), r->key.end()});
    for (const auto& [key, e] : entries_) put_entry(to, table::control_mirror, e);
    write_position(to);
    return {};
}

// The copy as it is now; `changes` lead to it from what is on disk.
void control_mirror::copy::write(const std::vector<control_change>& changes) {
    if (!options_.rows) return;
    const auto written = options_.rows->write([&](tables& to) -> expected<void> {
        if (!on_disk_) return write_whole(to);
        for (const control_change& c : changes)
            if (c.value)
                put_entry(to, table::control_mirror, {c.key, *c.value, c.revision, c.lease});
            else
                to.erase(table::control_mirror, as_bytes_view(c.key));
        write_position(to);
        return {};
    });
    on_disk_ = written.has_value();
    if (on_disk_) noted_ = status_.as_of;
    const std::lock_guard guard{mutex_};
    status_.not_written = written ? "" : to_string(written.error());
}

// ---- what the store says

void control_mirror::copy::take(const std::vector<control_change>& changes, control_position at) {
    {
        const std::lock_guard guard{mutex_};
        for (const control_change& c : changes)
            if (c.value)
                entries_.insert_or_assign(c.key, control_entry{c.key, *c.value, c.revision, c.lease});
            else
                entries_.erase(c.key);
        status_.filled = true;
        status_.at = at;
        status_.as_of = options_.clock();
    }
    write(changes);
    if (options_.changed && !changes.empty()) options_.changed(changes, at);
}

std::vector<control_change> control_mirror::copy::difference(const control_listing& all) const {
    std::vector<control_change> changes;
    auto old = entries_.begin();
    const auto gone_before = [&](const std::string* key) {
        for (; old != entries_.end() && (key == nullptr || old->first < *key); ++old)
            changes.push_back({old->first, std::nullopt, all.at.revision, 0});
    };
    for (const control_entry& e : all.entries) {
        gone_before(&e.key);
        const bool had = old != entries_.end() && old->first == e.key;
        if (!had || old->second != e) changes.push_back({e.key, e.value, e.revision, e.lease});
        if (had) ++old;
    }
    gone_before(nullptr);
    return changes;
}

void control_mirror::copy::reset(control_listing all) {
    const std::lock_guard guard{calling_};
    if (!closed_) take(difference(all), all.at);
}

void control_mirror::copy::changed(std::vector<control_change> changes, control_position at) {
    const std::lock_guard guard{calling_};
    if (!closed_) take(changes, at);
}

void control_mirror::copy::connected(control_position) {
    const std::lock_guard guard{calling_};
    if (closed_) return;
    {
        const std::lock_guard state{mutex_};
        status_.connected = true;
        status_.why.clear();
        if (!status_.filled) return;
        status_.as_of = options_.clock();
    }
    if (!on_disk_ || status_.as_of - noted_ > limits::control_mirror_note_interval) write({});
}

void control_mirror::copy::disconnected(const failure& why) {
    const std::lock_guard guard{calling_};
    const std::lock_guard state{mutex_};
    status_.connected = false;
    status_.why = to_string(why);
}

void control_mirror::copy::close() {
    const std::lock_guard guard{calling_};
    closed_ = true;
}

// ---- reads

std::optional<control_position> control_mirror::copy::position() const {
    const std::lock_guard guard{mutex_};
    return status_.filled ? std::optional{status_.at} : std::nullopt;
}

std::optional<control_entry> control_mirror::copy::get(std::string_view key) const {
    const std::lock_guard guard{mutex_};
    const auto found = entries_.find(key);
    return found == entries_.end() ? std::nullopt : std::optional{found->second};
}

control_listing control_mirror::copy::list(std::string_view prefix) const {
    const std::lock_guard guard{mutex_};
    control_listing listing;
    listing.at = status_.at;
    for (auto e = entries_.lower_bound(prefix); e != entries_.end() && e->first.starts_with(prefix); ++e)
        listing.entries.push_back(e->second);
    return listing;
}

control_mirror_status control_mirror::copy::status() const {
    const std::lock_guard guard{mutex_};
    return status_;
}

// ---- the mirror

expected<std::unique_ptr<control_mirror>> control_mirror::start(control_mirror_options options) {
    control_store* const store = options.store;
    const std::string prefix = options.prefix;
    const auto made = std::make_shared<copy>(std::move(options));
    made->load();
    std::unique_ptr<control_mirror> mirror{new control_mirror(made)};
    const auto watch = store->watch(prefix, made->position(), made);
    if (!watch) return tl::unexpected(watch.error());
    mirror->store_ = store;
    mirror->watch_ = *watch;
    return mirror;
}

control_mirror::~control_mirror() {
    if (store_ != nullptr) store_->unwatch(watch_);
    copy_->close();
}

std::optional<control_entry> control_mirror::get(std::string_view key) const { return copy_->get(key); }
control_listing control_mirror::list(std::string_view prefix) const { return copy_->list(prefix); }
control_mirror_status control_mirror::status() const { return copy_->status(); }

} // namespace coppice
