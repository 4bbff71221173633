// The fields of a Schedule; part of specs.hpp.
#include "actors/schedules/schedule_times.hpp"
#include "runtime/config/json_values.hpp"
#include "runtime/config/specs.hpp"
#include "schema/names.hpp"

namespace coppice {
namespace {

void read_reference(field_reader& fields, std::string_view field, std::string& name) {
    if (fields.text(field, name, presence::required) && !is_name(name))
        fields.error(field, "must be the name of a " + std::string{field == "tenant" ? "tenant" : "job type"} +
                                ", not " + shown(name));
}

// Any value; a mapping as a rule.
void read_payload(field_reader& fields, std::string& payload) {
    const yaml_value* value = fields.find("payload");
    if (value == nullptr) return;
    const auto text = to_canonical_json(*value, fields.path_of("payload"), fields.log().file, fields.log().errors);
    if (!text) return;
    if (text->size() > limits::payload_size_max)
        return fields.error("payload",
                            "must be at most " + std::to_string(limits::payload_size_max) + " bytes of JSON");
    payload = *text;
}

void read_timing(field_reader& fields, schedule_timing& timing) {
    const bool cron = fields.find("cron") != nullptr, every = fields.find("every") != nullptr;
    const bool good_cron = fields.text("cron", timing.cron);
    const bool zone = fields.text("timezone", timing.zone);
    fields.duration("every", timing.every, limits::schedule_every_min, limits::delay_max);
    if (cron == every) {
        fields.error(cron ? "every" : "cron", "either cron or every is needed, and not both");
    } else if (zone && every) {
        fields.error("timezone", "is for cron only: every goes by time that passes");
    } else if (good_cron && (timing.cron.empty() || timing.cron.size() > limits::cron_size_max)) {
        fields.error("cron", "must be 1 to " + std::to_string(limits::cron_size_max) + " bytes");
    } else if (good_cron && cron) {
        if (const auto expression = cron_expression::parse(timing.cron); !expression)
            fields.error("cron", expression.error().detail);
        else if (timing.zone.empty() || timing.zone.size() > limits::name_size_max)
            fields.error("timezone", "must be the name of a time zone such as Europe/Berlin");
    }
}

} // namespace

void read_spec(field_reader& fields, schedule_spec& spec) {
    read_reference(fields, "tenant", spec.tenant);
    read_reference(fields, "type", spec.type);
    read_payload(fields, spec.payload);
    fields.integer("priority", spec.priority, limits::priority_first, limits::priority_last);
    read_timing(fields, spec.timing);
    fields.choice<overlap_policy>("overlap", spec.overlap,
                                  {{"skip", overlap_policy::skip},
                                   {"buffer_one", overlap_policy::buffer_one},
                                   {"allow", overlap_policy::allow},
                                   {"cancel_other", overlap_policy::cancel_other}});
    fields.choice<missed_policy>(
        "missed", spec.missed,
        {{"skip", missed_policy::skip}, {"one", missed_policy::one}, {"all", missed_policy::all}});
    fields.duration("catch_up", spec.catch_up, milliseconds{1000}, limits::schedule_catch_up_max);
    fields.duration("jitter", spec.jitter, milliseconds{0}, std::chrono::hours{1});
    fields.boolean("paused", spec.paused);
}

} // namespace coppice
