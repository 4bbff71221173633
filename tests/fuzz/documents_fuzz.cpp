// Declared documents: YAML to specs, and back.
#include "runtime/config/documents.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using coppice::fuzz::must;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto documents = coppice::load_documents(coppice::fuzz::text_of(data, size), "input");
    if (!documents) return 0;
    for (const coppice::declared_document& d : *documents) {
        const auto again = coppice::load_documents(coppice::to_yaml(d), "printed");
        must(again.has_value() && again->size() == 1, "what is printed can be read");
        must(again->front().spec == d.spec, "and says the same");
    }
    return 0;
}
