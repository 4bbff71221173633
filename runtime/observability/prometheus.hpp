// Metrics and their text for Prometheus (exposition format 0.0.4).
//
// A registry is handed down, never global. Families are registered once, at the start; whoever counts keeps the
// reference that `with` gave and counts on it without a lock. Registering a bad or a taken name is a bug and throws
// std::invalid_argument.
//
// Labels are bounded. The first label of a family is the open one (a tenant, a job type); any further ones must
// have few values that the code fixes (a state, a reason). `render` names the values of the first label with the
// most in them, up to limits::metric_series_shown, and folds the rest into the value "other":
//   - nothing is lost: the sum over a family is what was counted, at every rendering;
//   - a counter or histogram that Prometheus sees never steps back. When a value gets a name, what was shown of it
//     under "other" stays there and its own series begins with the rest. A name, once given, is taken away only for
//     a value that has more than twice as much, so that names do not come and go; what it had moves to "other";
//   - gauges have no past: the greatest are named anew each time, and "other" is the sum of the rest.
// A family holds limits::metric_series_max series in memory; values met after that count as "other" at once.
// Any thread may call anything.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/limits.hpp"

namespace coppice {

class counter {
  public:
    static constexpr bool cumulative = true;
    void increment(std::uint64_t by = 1) { value_.fetch_add(by, std::memory_order_relaxed); }
    std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

class gauge {
  public:
    static constexpr bool cumulative = false;
    void set(double value) { value_.store(value, std::memory_order_relaxed); }
    void add(double by) { value_.fetch_add(by, std::memory_order_relaxed); }
    double value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<double> value_{0};
};

class histogram {
  public:
    static constexpr bool cumulative = true;
    // What one has counted: observations by bucket (not yet summed up; the last is +Inf), and their sum.
    struct reading {
        std::vector<std::uint64_t> buckets;
        double sum = 0;
    };

    // `bounds`: upper bounds, inclusive, ascending; shared by the family and outlives this.
    explicit histogram(const std::vector<double>& bounds) : bounds_(bounds), buckets_(bounds.size() + 1) {}

    // In base units: seconds, bytes. Not a number counts in the last bucket and adds nothing to the sum.
    void observe(double value);
    reading value() const;

  private:
    const std::vector<double>& bounds_;
    std::vector<std::atomic<std::uint64_t>> buckets_;
    std::atomic<double> sum_{0};
};

// 100 us to 60 s, about three a decade: the latency of a call.
std::vector<double> latency_bounds_s();

struct metric_description {
    std::string name;                // as Prometheus advises: unit last, "_total" for counters
    std::string help;                // one sentence
    std::vector<std::string> labels; // the first is the open one; may be empty
};

class metric_family_base {
  public:
    explicit metric_family_base(metric_description d) : description_(std::move(d)) {}
    virtual ~metric_family_base() = default;
    metric_family_base(const metric_family_base&) = delete;
    metric_family_base& operator=(const metric_family_base&) = delete;
    virtual void render(std::string& to) = 0;

  protected:
    using label_values = std::vector<std::string>;
    const metric_description description_;
};

template <class Metric>
class metric_family final : public metric_family_base {
  public:
    metric_family(metric_description description, std::vector<double> bounds, std::size_t shown_max);

    // The metric of these label values, one for each label in order; made when new. Takes a lock: keep the
    // reference, which lives as long as the registry. A value that is not UTF-8 is mended, a long one cut
    // (limits::metric_label_size_max). Gauges beyond the bound share one: there, `add` is right and `set` is not.
    Metric& with(std::initializer_list<std::string_view> values);
    void render(std::string& to) override;

  private:
    using reading = decltype(std::declval<const Metric&>().value());
    struct series {
        explicit series(const std::vector<double>& bounds) : metric(made(bounds)) {}
        static Metric made(const std::vector<double>& bounds) {
            if constexpr (std::constructible_from<Metric, const std::vector<double>&>)
                return Metric(bounds);
            else
                return Metric();
        }
        Metric metric;
        reading now{};    // at this rendering
        reading folded{}; // the part of it that was shown under "other", and stays there
    };
    void choose_names();

    const std::vector<double> bounds_;
    const std::size_t shown_max_;
    std::shared_mutex mutex_; // of the members below, not of the metrics
    std::map<label_values, series> series_;
    std::set<std::string> named_; // values of the first label that have series of their own
};

using counter_family = metric_family<counter>;
using gauge_family = metric_family<gauge>;
using histogram_family = metric_family<histogram>;

// A value read at the time of rendering. Two of the same labels are summed.
struct metric_sample {
    std::vector<std::string> labels;
    double value = 0;
};

class metrics_registry {
  public:
    // `shown_max`: values of the first label that are named; see above.
    counter_family& counters(metric_description d, std::size_t shown_max = limits::metric_series_shown);
    gauge_family& gauges(metric_description d, std::size_t shown_max = limits::metric_series_shown);
    // `bounds`: at least one, finite, ascending.
    histogram_family& histograms(metric_description d, std::vector<double> bounds,
                                 std::size_t shown_max = limits::metric_series_shown);

    // The same without labels.
    counter& make_counter(std::string name, std::string help);
    gauge& make_gauge(std::string name, std::string help);
    histogram& make_histogram(std::string name, std::string help, std::vector<double> bounds);

    // Gauges and counters that somebody else keeps: `read` is called by `render`, on its thread. Counters need
    // label values that are few and fixed: beyond `metric_series_shown` they are folded as gauges are, and may step
    // back.
    void collect_gauges(metric_description d, std::function<std::vector<metric_sample>()> read,
                        std::size_t shown_max = limits::metric_series_shown);
    void collect_counters(metric_description d, std::function<std::vector<metric_sample>()> read);
    void collect_counter(std::string name, std::string help, std::function<std::uint64_t()> read);

    // All families in order of name; the body of an answer of type `metrics_content_type`.
    std::string render() const;

  private:
    template <class Family, class... Arguments>
    Family& add(metric_description d, std::string_view kind, Arguments&&... arguments);

    mutable std::mutex mutex_;
    std::map<std::string, std::unique_ptr<metric_family_base>> families_;
};

inline constexpr std::string_view metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

} // namespace coppice
