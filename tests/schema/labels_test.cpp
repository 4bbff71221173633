#include "schema/labels.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

namespace coppice::testing {

BOOST_AUTO_TEST_SUITE(labels_of_jobs)

BOOST_AUTO_TEST_CASE(a_label_is_a_name_and_a_value) {
    for (const std::string& label :
         {std::string{"a=b"}, std::string{"a="}, std::string{"team/x.y_z-9=a = b"}, std::string(63, 'n') + "=v",
          "n=" + std::string(limits::label_value_size_max, 'v'), std::string{"n=\xc3\xa9"}})
        BOOST_TEST(is_label(label), label);
    for (const std::string& label :
         {std::string{}, std::string{"a"}, std::string{"=b"}, std::string{"A=b"}, std::string{"a b=c"},
          std::string(64, 'n') + "=v", "n=" + std::string(limits::label_value_size_max + 1, 'v'),
          std::string{"n=\n"}, std::string{"n=\x7f"}, std::string("n=\0", 3)})
        BOOST_TEST(!is_label(label), label);
    BOOST_TEST(label_name("a=b=c") == "a");
    BOOST_TEST(label_name("a") == "a");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
