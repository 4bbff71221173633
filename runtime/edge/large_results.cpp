#include "runtime/edge/large_results.hpp"

#include <algorithm>

#include "runtime/edge/loop_answer.hpp"
#include "schema/wire_ids.hpp"
#include "schema/wire_text.hpp"

namespace coppice {
namespace {

bool is_large(const edge_context& edge, capnp::Data::Reader result) {
    return edge.results && edge.results->takes(result.size());
}

kj::Promise<result_place> place_result(edge_context& edge, api::AttemptReport::Reader report,
                                       capnp::Data::Reader result) {
    if (!is_large(edge, result)) return result_place{};
    auto [promise, answer] = make_loop_answer<expected<stored_result>>(edge.inbox);
    edge.results->put({read_id(report.getRef().getJob()), report.getRef().getAttempt()},
                      std::make_shared<const std::string>(text_of(result)),
                      [answer = std::move(answer)](expected<stored_result> r) { answer->give(std::move(r)); });
    return promise.then([size = result.size()](expected<stored_result> stored) -> result_place {
        if (stored) return {.stored = *stored, .refused = {}};
        if (size <= limits::result_size_max) return {}; // the tables take it
        return {.stored = {}, .refused = stored.error()};
    });
}

} // namespace

reported_results results_of(capnp::List<api::AttemptReport>::Reader reports) {
    reported_results results;
    results.reserve(reports.size());
    for (const auto report : reports)
        results.push_back(report.getOutcome() == api::AttemptReport::Outcome::SUCCEEDED ? report.getResult()
                                                                                        : capnp::Data::Reader{});
    return results;
}

bool has_large_results(const edge_context& edge, const reported_results& results) {
    return std::ranges::any_of(results, [&](capnp::Data::Reader each) { return is_large(edge, each); });
}

kj::Promise<std::vector<result_place>> place_results(edge_context& edge,
                                                     capnp::List<api::AttemptReport>::Reader reports,
                                                     const reported_results& results) {
    auto each = kj::heapArrayBuilder<kj::Promise<result_place>>(reports.size());
    for (unsigned i = 0; i < reports.size(); ++i) each.add(place_result(edge, reports[i], results[i]));
    return kj::joinPromises(each.finish()).then([](kj::Array<result_place> places) {
        return std::vector<result_place>(std::make_move_iterator(places.begin()),
                                         std::make_move_iterator(places.end()));
    });
}

kj::Promise<expected<std::string>> fetch_result(edge_context& edge, const attempt_ref& ref,
                                                const stored_result& what) {
    if (!edge.results)
        return expected<std::string>{
            fail(errc::unavailable, "the result is in a result store, and this node has none: see its `results`")};
    auto [promise, answer] = make_loop_answer<expected<std::string>>(edge.inbox);
    edge.results->get(ref, what,
                      [answer = std::move(answer)](expected<std::string> r) { answer->give(std::move(r)); });
    return kj::mv(promise);
}

} // namespace coppice
