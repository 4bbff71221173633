#include "actors/governance/control_machine.hpp"

#include "persistence/keys.hpp"
#include "persistence/record.hpp"
#include "schema/limits.hpp"
#include "schema/wire_text.hpp"

namespace coppice {
namespace {

using declared_key = basic_key<160>;

declared_key key_of(std::string_view kind, std::string_view name) {
    return declared_key{}.raw(as_bytes_view(kind)).u8(0).raw(as_bytes_view(name));
}

// Takes the next value of a counter in `meta`, from 1.
std::uint32_t next_number(tables& t, const std::string& counter) {
    const auto stored = t.get(table::meta, as_bytes_view(counter));
    const std::uint32_t last = stored ? key_reader{*stored}.u32() : 0;
    t.put(table::meta, as_bytes_view(counter), row_key{}.u32(last + 1));
    return last + 1;
}

declared_row read_row(const row& r) {
    record_reader<rec::Declared> reader;
    const auto stored = reader.read(r.value);
    const std::string_view at = as_text(r.key);
    const std::size_t split = at.find('\0');
    return {.kind = std::string{at.substr(0, split)},
            .name = std::string{at.substr(split + 1)},
            .number = stored.getNumber(),
            .version = stored.getVersion(),
            .spec = std::string{view(stored.getSpec())},
            .changed_at = from_us(stored.getChangedUs()),
            .changed_by = std::string{view(stored.getChangedBy())}};
}

} // namespace

expected<declare_result> declare(tables& t, cmd::Declare::Reader command, instant now) {
    const std::string_view kind = view(command.getKind()), name = view(command.getName());
    if (kind.size() > limits::name_size_max || name.size() > limits::name_size_max || kind.empty() || name.empty())
        return fail(errc::invalid_argument, "a kind and a name have 1 to 63 characters");
    const auto at = key_of(kind, name);
    declare_result result;
    if (const auto stored = t.get(table::declared, at)) {
        result.row = read_row({at, *stored});
        if (result.row.spec == view(command.getSpec())) return result;
        result.change = declared_change::updated;
    } else {
        result.row.kind = kind;
        result.row.name = name;
        result.row.number = next_number(t, "numbers/" + std::string{kind});
        if (result.row.number > limits::tenants_max)
            return fail(errc::overloaded, "no number is left for this kind");
        result.change = declared_change::created;
    }
    result.row.version += 1;
    result.row.spec = view(command.getSpec());
    result.row.changed_at = now;
    result.row.changed_by = view(command.getBy());
    record_writer<rec::Declared> writer;
    auto row = writer.init();
    row.setNumber(result.row.number);
    row.setVersion(result.row.version);
    row.setSpec(command.getSpec());
    row.setChangedUs(to_us(now));
    row.setChangedBy(command.getBy());
    writer.put(t, table::declared, at);
    return result;
}

std::vector<declared_row> declared_rows(read_tables& t, std::string_view kind) {
    std::vector<declared_row> rows;
    declared_key prefix;
    if (!kind.empty()) prefix.raw(as_bytes_view(kind)).u8(0);
    const bytes_view from = kind.empty() ? as_bytes_view(std::string_view{"\0", 1}) : prefix.view();
    for (auto r = t.seek(table::declared, from); r && (kind.empty() || has_prefix(r->key, prefix));
         r = t.next(table::declared))
        rows.push_back(read_row(*r));
    return rows;
}

std::uint32_t begin_life(tables& t) { return next_number(t, "lives"); }

} // namespace coppice
