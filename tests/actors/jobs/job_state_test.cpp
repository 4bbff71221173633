#include <boost/test/unit_test.hpp>
#include <map>
#include <set>

#include "actors/jobs/job_state.hpp"

namespace coppice::testing {
namespace {

using S = job_state;

// The lifecycle, written out a second time.
const std::map<S, std::set<S>> allowed{
    {S::BLOCKED, {S::SCHEDULED, S::QUEUED, S::FAILED, S::CANCELLED}},
    {S::SCHEDULED, {S::QUEUED, S::FAILED, S::CANCELLED}},
    {S::QUEUED, {S::RUNNING, S::FAILED, S::CANCELLED}},
    {S::RUNNING, {S::SUCCEEDED, S::FAILED, S::CANCELLED, S::SCHEDULED, S::QUEUED}},
    {S::SUCCEEDED, {}},
    {S::FAILED, {}},
    {S::CANCELLED, {}},
    {S::REJECTED, {}},
};
const S no_state = static_cast<S>(job_state_count);

} // namespace

BOOST_AUTO_TEST_SUITE(the_lifecycle)

BOOST_AUTO_TEST_CASE(every_pair_of_states_is_a_move_or_is_not_as_the_lifecycle_says) {
    for (const S from : all_job_states)
        for (const S to : all_job_states)
            BOOST_TEST(may_move(from, to) == allowed.at(from).contains(to), to_string(from)
                                                                                << " -> " << to_string(to));
}

BOOST_AUTO_TEST_CASE(a_terminal_state_is_one_without_a_way_out) {
    for (const S s : all_job_states) BOOST_TEST(is_terminal(s) == allowed.at(s).empty(), to_string(s));
}

BOOST_AUTO_TEST_CASE(a_job_begins_waiting_or_rejected) {
    for (const S s : all_job_states) {
        BOOST_TEST(may_start_in(s) == (is_waiting(s) || s == S::REJECTED), to_string(s));
        BOOST_TEST(is_waiting(s) == (s == S::BLOCKED || s == S::SCHEDULED || s == S::QUEUED), to_string(s));
    }
}

BOOST_AUTO_TEST_CASE(every_state_is_reached_from_a_beginning) {
    std::set<S> reached;
    for (const S s : all_job_states)
        if (may_start_in(s)) reached.insert(s);
    for (std::size_t round = 0; round < job_state_count; ++round)
        for (const S from : std::set<S>{reached}) reached.insert(allowed.at(from).begin(), allowed.at(from).end());
    BOOST_TEST(reached.size() == job_state_count);
}

BOOST_AUTO_TEST_CASE(words_and_states_name_each_other) {
    for (const S s : all_job_states) BOOST_TEST((job_state_from(to_string(s)) == s), to_string(s));
    BOOST_TEST(!job_state_from("").has_value());
    BOOST_TEST(!job_state_from("Queued").has_value());
}

BOOST_AUTO_TEST_CASE(a_number_that_is_no_state_may_do_nothing) {
    BOOST_TEST(!is_known(no_state));
    BOOST_TEST(to_string(no_state).empty());
    BOOST_TEST(!is_terminal(no_state));
    BOOST_TEST(!is_waiting(no_state));
    BOOST_TEST(!may_start_in(no_state));
    for (const S s : all_job_states) BOOST_TEST((!may_move(no_state, s) && !may_move(s, no_state)));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
