#include "runtime/observability/prometheus.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <stdexcept>

#include "runtime/observability/utf8.hpp"

namespace coppice {
namespace {

constexpr const char* other = "other";

// ---- text

void append_number(std::string& to, std::uint64_t value) { to += std::to_string(value); }

void append_number(std::string& to, double value) {
    if (std::isnan(value)) {
        to += "NaN";
    } else if (std::isinf(value)) {
        to += value > 0 ? "+Inf" : "-Inf";
    } else {
        std::array<char, 32> text{};
        to.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr);
    }
}

void append_escaped(std::string& to, std::string_view text, bool quotes) {
    for (const char c : text) {
        if (c == '\\')
            to += "\\\\";
        else if (c == '\n')
            to += "\\n";
        else if (c == '"' && quotes)
            to += "\\\"";
        else
            to += c;
    }
}

std::string label_text(const std::vector<std::string>& names, const std::vector<std::string>& values) {
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i > 0) text += ',';
        text += names[i] + "=\"";
        append_escaped(text, values[i], true);
        text += '"';
    }
    return text;
}

void append_head(std::string& to, const metric_description& d, std::string_view kind) {
    to += "# HELP " + d.name + ' ';
    append_escaped(to, d.help, false);
    to += "\n# TYPE " + d.name + ' ';
    to += kind;
    to += '\n';
}

template <class Number>
void append_sample(std::string& to, const std::string& name, const std::string& labels, Number value) {
    to += name;
    if (!labels.empty()) to += '{' + labels + '}';
    to += ' ';
    append_number(to, value);
    to += '\n';
}

// ---- readings: what the template below needs of a number and of a histogram

void append_reading(std::string& to, const std::string& name, const std::string& labels,
                    const std::vector<double>& /*bounds*/, std::uint64_t value) {
    append_sample(to, name, labels, value);
}
void append_reading(std::string& to, const std::string& name, const std::string& labels,
                    const std::vector<double>& /*bounds*/, double value) {
    append_sample(to, name, labels, value);
}
void append_reading(std::string& to, const std::string& name, const std::string& labels,
                    const std::vector<double>& bounds, const histogram::reading& value) {
    std::uint64_t count = 0;
    const std::string before = labels.empty() ? "le=\"" : labels + ",le=\"";
    for (std::size_t i = 0; i < value.buckets.size(); ++i) {
        count += value.buckets[i];
        std::string le = before;
        append_number(le, i < bounds.size() ? bounds[i] : HUGE_VAL);
        append_sample(to, name + "_bucket", le + '"', count);
    }
    append_sample(to, name + "_sum", labels, value.sum);
    append_sample(to, name + "_count", labels, count);
}

double size_of(double value) { return std::isnan(value) ? -HUGE_VAL : value; }
double size_of(std::uint64_t value) { return static_cast<double>(value); }
double size_of(const histogram::reading& value) {
    std::uint64_t count = 0;
    for (const std::uint64_t n : value.buckets) count += n;
    return static_cast<double>(count);
}

template <class Number>
void accumulate(Number& to, Number by) {
    to += by;
}
void accumulate(histogram::reading& to, const histogram::reading& by) {
    to.buckets.resize(std::max(to.buckets.size(), by.buckets.size()));
    for (std::size_t i = 0; i < by.buckets.size(); ++i) to.buckets[i] += by.buckets[i];
    to.sum += by.sum;
}

template <class Number>
Number without(Number of, Number part) {
    return of - part;
}
histogram::reading without(histogram::reading of, const histogram::reading& part) {
    for (std::size_t i = 0; i < part.buckets.size(); ++i) of.buckets[i] -= part.buckets[i];
    of.sum -= part.sum;
    return of;
}

bool is_nothing(std::uint64_t value) { return value == 0; }
bool is_nothing(double value) { return value == 0; }
bool is_nothing(const histogram::reading& value) { return value.buckets.empty(); }

template <class Metric>
constexpr std::string_view kind_of = "histogram";
template <>
constexpr std::string_view kind_of<counter> = "counter";
template <>
constexpr std::string_view kind_of<gauge> = "gauge";

// ---- names

bool is_name(std::string_view name, bool colons) {
    const auto first = [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colons && c == ':');
    };
    return !name.empty() && first(name.front()) &&
           std::ranges::all_of(name, [&](char c) { return first(c) || (c >= '0' && c <= '9'); });
}

void check(const metric_description& d, std::string_view kind) {
    const auto require = [&](bool ok, const char* rule) {
        if (!ok) throw std::invalid_argument("metric \"" + d.name + "\": " + rule);
    };
    require(is_name(d.name, true), "not a metric's name");
    require(!d.help.empty(), "needs a help text");
    require((kind == "counter") == d.name.ends_with("_total"), "a counter, and nothing else, ends in _total");
    for (const char* suffix : {"_bucket", "_sum", "_count"})
        require(!d.name.ends_with(suffix), "ends like a part of a histogram");
    std::set<std::string_view> seen;
    for (const std::string& label : d.labels) {
        require(is_name(label, false) && !label.starts_with("__"), "not a label's name");
        require(label != "le" && label != "quantile", "a reserved label");
        require(seen.insert(label).second, "a label named twice");
    }
}

// The names that are in order of size the first `count` of `sizes`; equals in order of name.
std::vector<std::string> greatest(const std::map<std::string, double>& sizes, std::size_t count) {
    std::vector<std::pair<double, std::string>> order;
    for (const auto& [name, size] : sizes) order.emplace_back(-size, name);
    count = std::min(count, order.size());
    std::ranges::partial_sort(order, order.begin() + static_cast<std::ptrdiff_t>(count));
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) names.push_back(order[i].second);
    return names;
}

// Who has a name of its own, for values that only grow: free places go to the greatest; a taken one only to a value
// of more than twice the size of the smallest that has one.
void settle_names(std::set<std::string>& named, const std::map<std::string, double>& sizes, std::size_t shown_max) {
    std::map<std::string, double> unnamed;
    std::set<std::pair<double, std::string>> holders;
    for (const auto& [name, size] : sizes)
        if (named.contains(name))
            holders.emplace(size, name);
        else
            unnamed.emplace(name, size);
    for (const std::string& name : greatest(unnamed, shown_max)) {
        if (named.size() >= shown_max) {
            if (holders.empty() || !(unnamed.at(name) > 2 * holders.begin()->first)) break;
            named.erase(holders.begin()->second);
            holders.erase(holders.begin());
        }
        named.insert(name);
        holders.emplace(unnamed.at(name), name);
    }
}

} // namespace

// ---- histogram

void histogram::observe(double value) {
    const auto at = std::ranges::lower_bound(bounds_, value);
    const auto bucket = std::isnan(value) ? bounds_.size() : static_cast<std::size_t>(at - bounds_.begin());
    buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
    if (!std::isnan(value)) sum_.fetch_add(value, std::memory_order_relaxed);
}

histogram::reading histogram::value() const {
    reading r;
    r.buckets.reserve(buckets_.size());
    for (const auto& bucket : buckets_) r.buckets.push_back(bucket.load(std::memory_order_relaxed));
    r.sum = sum_.load(std::memory_order_relaxed);
    return r;
}

std::vector<double> latency_bounds_s() {
    return {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
            0.1,    0.25,    0.5,    1,     2.5,    5,     10,   30,    60};
}

// ---- families

template <class Metric>
metric_family<Metric>::metric_family(metric_description description, std::vector<double> bounds,
                                     std::size_t shown_max)
    : metric_family_base(std::move(description)), bounds_(std::move(bounds)), shown_max_(shown_max) {
    for (std::size_t i = 0; i < bounds_.size(); ++i)
        if (!std::isfinite(bounds_[i]) || (i > 0 && !(bounds_[i - 1] < bounds_[i])))
            throw std::invalid_argument("metric \"" + description_.name + "\": bounds must be finite and ascend");
}

template <class Metric>
Metric& metric_family<Metric>::with(std::initializer_list<std::string_view> values) {
    if (values.size() != description_.labels.size())
        throw std::invalid_argument("metric \"" + description_.name + "\": as many values as labels, please");
    label_values key;
    for (const std::string_view value : values)
        key.emplace_back(utf8_prefix(valid_utf8(value), limits::metric_label_size_max));
    {
        const std::shared_lock lock{mutex_};
        if (const auto found = series_.find(key); found != series_.end()) return found->second.metric;
    }
    const std::unique_lock lock{mutex_};
    // Twice the bound, so that there is room for the few series of "other" itself.
    if (series_.size() >= limits::metric_series_max && !series_.contains(key)) key.front() = other;
    if (series_.size() >= 2 * limits::metric_series_max && !series_.contains(key)) key.assign(key.size(), other);
    return series_.try_emplace(std::move(key), bounds_).first->second.metric;
}

template <class Metric>
void metric_family<Metric>::choose_names() {
    std::map<std::string, double> sizes;
    for (const auto& [key, s] : series_)
        if (key.front() != other) sizes[key.front()] += size_of(s.now);
    if constexpr (!Metric::cumulative) {
        const auto names = greatest(sizes, shown_max_);
        named_ = {names.begin(), names.end()};
    } else {
        settle_names(named_, sizes, shown_max_);
    }
}

template <class Metric>
void metric_family<Metric>::render(std::string& to) {
    const std::unique_lock lock{mutex_};
    append_head(to, description_, kind_of<Metric>);
    for (auto& [key, s] : series_) s.now = s.metric.value();
    const bool labelled = !description_.labels.empty();
    if (labelled) choose_names();
    std::map<label_values, reading> rest;
    for (auto& [key, s] : series_) {
        const bool named = !labelled || named_.contains(key.front());
        if (!named)
            s.folded = s.now;
        else if (!Metric::cumulative)
            s.folded = {};
        if (named)
            append_reading(to, description_.name, label_text(description_.labels, key), bounds_,
                           without(s.now, s.folded));
        if (!named || !is_nothing(s.folded)) {
            label_values folded_key = key;
            folded_key.front() = other;
            accumulate(rest[std::move(folded_key)], s.folded);
        }
    }
    for (const auto& [key, value] : rest)
        append_reading(to, description_.name, label_text(description_.labels, key), bounds_, value);
}

template class metric_family<counter>;
template class metric_family<gauge>;
template class metric_family<histogram>;

namespace {

class collected_samples final : public metric_family_base {
  public:
    collected_samples(metric_description d, std::string_view kind, std::function<std::vector<metric_sample>()> read,
                      std::size_t shown_max)
        : metric_family_base(std::move(d)), kind_(kind), read_(std::move(read)), shown_max_(shown_max) {}

    void render(std::string& to) override {
        append_head(to, description_, kind_);
        std::map<label_values, double> samples;
        std::map<std::string, double> sizes;
        for (const metric_sample& sample : read_()) {
            if (sample.labels.size() != description_.labels.size())
                throw std::invalid_argument("metric \"" + description_.name +
                                            "\": as many values as labels, please");
            label_values key;
            for (const std::string& value : sample.labels)
                key.emplace_back(utf8_prefix(valid_utf8(value), limits::metric_label_size_max));
            samples[key] += sample.value;
            if (!key.empty() && key.front() != other) sizes[key.front()] += size_of(sample.value);
        }
        const auto names = greatest(sizes, shown_max_);
        const std::set<std::string> named{names.begin(), names.end()};
        std::map<label_values, double> shown;
        for (auto& [key, value] : samples) {
            label_values shown_key = key;
            if (!key.empty() && !named.contains(key.front())) shown_key.front() = other;
            shown[std::move(shown_key)] += value;
        }
        for (const auto& [key, value] : shown)
            append_sample(to, description_.name, label_text(description_.labels, key), value);
    }

  private:
    const std::string kind_;
    const std::function<std::vector<metric_sample>()> read_;
    const std::size_t shown_max_;
};

class collected_counter final : public metric_family_base {
  public:
    collected_counter(metric_description d, std::function<std::uint64_t()> read)
        : metric_family_base(std::move(d)), read_(std::move(read)) {}

    void render(std::string& to) override {
        append_head(to, description_, "counter");
        append_sample(to, description_.name, {}, read_());
    }

  private:
    const std::function<std::uint64_t()> read_;
};

} // namespace

// ---- registry

template <class Family, class... Arguments>
Family& metrics_registry::add(metric_description d, std::string_view kind, Arguments&&... arguments) {
    check(d, kind);
    const std::string name = d.name;
    auto family = std::make_unique<Family>(std::move(d), std::forward<Arguments>(arguments)...);
    Family& added = *family;
    const std::scoped_lock lock{mutex_};
    if (!families_.try_emplace(name, std::move(family)).second)
        throw std::invalid_argument("metric \"" + name + "\": registered already");
    return added;
}

counter_family& metrics_registry::counters(metric_description d, std::size_t shown_max) {
    return add<counter_family>(std::move(d), "counter", std::vector<double>{}, shown_max);
}

gauge_family& metrics_registry::gauges(metric_description d, std::size_t shown_max) {
    return add<gauge_family>(std::move(d), "gauge", std::vector<double>{}, shown_max);
}

histogram_family& metrics_registry::histograms(metric_description d, std::vector<double> bounds,
                                               std::size_t shown_max) {
    if (bounds.empty()) throw std::invalid_argument("metric \"" + d.name + "\": needs a bound");
    return add<histogram_family>(std::move(d), "histogram", std::move(bounds), shown_max);
}

counter& metrics_registry::make_counter(std::string name, std::string help) {
    return counters({std::move(name), std::move(help), {}}).with({});
}

gauge& metrics_registry::make_gauge(std::string name, std::string help) {
    return gauges({std::move(name), std::move(help), {}}).with({});
}

histogram& metrics_registry::make_histogram(std::string name, std::string help, std::vector<double> bounds) {
    return histograms({std::move(name), std::move(help), {}}, std::move(bounds)).with({});
}

void metrics_registry::collect_gauges(metric_description d, std::function<std::vector<metric_sample>()> read,
                                      std::size_t shown_max) {
    add<collected_samples>(std::move(d), "gauge", "gauge", std::move(read), shown_max);
}

void metrics_registry::collect_counters(metric_description d, std::function<std::vector<metric_sample>()> read) {
    add<collected_samples>(std::move(d), "counter", "counter", std::move(read), limits::metric_series_shown);
}

void metrics_registry::collect_counter(std::string name, std::string help, std::function<std::uint64_t()> read) {
    add<collected_counter>({std::move(name), std::move(help), {}}, "counter", std::move(read));
}

std::string metrics_registry::render() const {
    const std::scoped_lock lock{mutex_};
    std::string text;
    for (const auto& [name, family] : families_) family->render(text);
    return text;
}

} // namespace coppice
