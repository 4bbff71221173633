#include "cluster/control/etcd_list.hpp"

#include <algorithm>

#include "cluster/control/control_checks.hpp"
#include "cluster/control/etcd_messages.hpp"

namespace coppice {
namespace {

class listing : public std::enable_shared_from_this<listing> {
  public:
    listing(etcd_client& client, std::string below, control_answer<control_listing> done)
        : client_(client), below_(std::move(below)), done_(std::move(done)) {}

    void page();

  private:
    void received(const etcd_result& result);
    void trouble(const etcd_trouble& t);
    expected<bool> take(const nlohmann::json& answer); // whether there is more

    etcd_client& client_;
    const std::string below_;
    const control_answer<control_listing> done_;
    control_listing got_;
    std::size_t size_ = 0;
    std::size_t limit_ = limits::control_page_entries_max;
    int restarts_ = 0;
};

void listing::page() {
    const std::string& prefix = client_.options().prefix;
    // The first key after the last one.
    const std::string from =
        got_.entries.empty() ? prefix + below_ : prefix + got_.entries.back().key + std::string(1, '\0');
    client_.call({.path = "kv/range",
                  .body = etcd_page_request(prefix + below_, from, limit_, got_.at.revision),
                  .done = [self = shared_from_this()](const etcd_result& r) { self->received(r); }});
}

void listing::received(const etcd_result& result) {
    if (!result) return trouble(result.error());
    const auto more = take(*result);
    if (!more) return done_(tl::unexpected(more.error()));
    if (*more) return page();
    done_(std::move(got_));
}

expected<bool> listing::take(const nlohmann::json& answer) {
    auto range = etcd_range_answer(answer, client_.options().prefix, below_, limit_);
    if (!range) return tl::unexpected(range.error());
    if (got_.at.revision == 0) got_.at = range->at;
    for (control_entry& entry : range->entries) {
        if (!got_.entries.empty() && entry.key <= got_.entries.back().key)
            return fail(errc::message_invalid, "a page of etcd goes back behind the one before");
        size_ += size_of(entry);
        if (got_.entries.size() == limits::control_list_entries_max || size_ > limits::control_list_size_max)
            return fail(errc::payload_too_large, "more below \"" + below_ + "\" than a list may give");
        got_.entries.push_back(std::move(entry));
    }
    return range->more;
}

void listing::trouble(const etcd_trouble& t) {
    constexpr std::size_t shrink = 4;
    if (t.what == etcd_trouble::kind::too_large && limit_ > limits::control_page_entries_min) {
        limit_ = std::max(limits::control_page_entries_min, limit_ / shrink);
        return page();
    }
    if (t.what == etcd_trouble::kind::compacted && restarts_++ < limits::control_list_restarts_max) {
        got_ = {};
        size_ = 0;
        return page();
    }
    done_(tl::unexpected(t.why));
}

} // namespace

void etcd_list(etcd_client& client, std::string below, control_answer<control_listing> done) {
    std::make_shared<listing>(client, std::move(below), std::move(done))->page();
}

} // namespace coppice
