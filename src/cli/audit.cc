#include "cli/audit.h"

#include <fmt/format.h>

#include <deque>
#include <filesystem>
#include <utility>

#include "cli/settings.h"
#include "cli/text.h"
#include "io/files.h"
#include "store/audit.h"
#include "store/environment.h"

namespace slipway::cli {
namespace {

using base::Error, base::ErrorCode, base::Result;

// A record as people see it: with its hash; one that is no JSON any more as the text that is there.
Json shown(const store::AuditRecord& record) {
  Json out = Json::parse(record.text, nullptr, false);
  if (!out.is_object()) out = Json{{"number", record.number}, {"text", record.text}};
  out["hash"] = record.hash;
  return out;
}

bool is_about(const Json& record, const std::string& subject) {
  return subject.empty() || text_of(record, "subject") == subject ||
         text_of(object_of(record, "details"), "name") == subject;
}

std::string who(const Json& by) {
  std::string out = text_of(by, "via", "?");
  if (by.contains("uid")) out += fmt::format(", uid {:.0f}", number_of(by, "uid"));
  if (by.contains("pid")) out += fmt::format(", pid {:.0f}", number_of(by, "pid"));
  return out;
}

std::string subject_cell(const Json& record) {
  const std::string subject = text_of(record, "subject");
  const std::string name = text_of(object_of(record, "details"), "name");
  return without_controls(name.empty() || name == subject ? subject : fmt::format("{} ({})", subject, name));
}

void print_table(Console& console, const std::deque<Json>& records) {
  Table table({{.heading = "NUMBER", .align = Table::Align::right, .keep = true},
               {.heading = "AT", .keep = true},
               {.heading = "WHO"},
               {.heading = "ACTION", .keep = true},
               {.heading = "SUBJECT"},
               {.heading = "OUTCOME", .keep = true}});
  for (const Json& record : records)
    table.add({fmt::format("{:.0f}", number_of(record, "number")), text_of(record, "at"),
               who(object_of(record, "by")), without_controls(text_of(record, "action")),
               subject_cell(record), without_controls(text_of(record, "outcome"))});
  if (table.rows() > 0) console.out(table.render(console.facts()));
}

void print(Invocation& invocation, const std::deque<Json>& records) {
  Console& console = invocation.console;
  if (invocation.globals.output == OutputFormat::table) return print_table(console, records);
  for (const Json& record : records) {
    const bool yaml = invocation.globals.output == OutputFormat::yaml;
    console.out(yaml ? "---\n" + to_yaml(record)
                     : record.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  }
}

Result<store::Database> open_state(const std::string& environment) {
  SLIPWAY_TRY(const io::Paths paths, io::user_paths());
  SLIPWAY_TRY(const store::EnvironmentPaths where, store::environment_paths(paths, environment));
  std::error_code ignored;
  if (!std::filesystem::exists(where.state_db, ignored))
    return Error(ErrorCode::not_running,
                 fmt::format("environment \"{}\" has never run here, so it has no audit log", environment));
  return store::Database::open(where.state_db, store::Database::Mode::read_only);
}

Result<int> verdict(Invocation& invocation, const store::AuditCheck& check, const std::string& head,
                    bool head_found) {
  constexpr const char* kCompare = "Compare with a copy that was kept elsewhere (docs/security.md).";
  if (check.broken > 0)
    return Error(ErrorCode::state_corrupt,
                 fmt::format("record {} of the audit log: {}", check.broken, check.why))
        .with_next(kCompare);
  if (!head.empty() && !head_found)
    return Error(ErrorCode::state_corrupt,
                 fmt::format("no record of the audit log has the hash {}: records were cut off, or the log "
                             "was made anew",
                             head))
        .with_next(kCompare);
  if (!invocation.globals.quiet)
    print_note(invocation.console,
               fmt::format("{} {}, unbroken. Keep the last one's hash elsewhere: {}", check.records,
                           check.records == 1 ? "record" : "records", check.head));
  return 0;
}

}  // namespace

Result<int> show_audit(Invocation& invocation, const AuditOptions& options) {
  SLIPWAY_TRY(const store::Database database, open_state(environment_name(invocation.globals)));
  std::deque<Json> records;
  bool head_found = false;
  const auto take = [&](const store::AuditRecord& record) {
    head_found = head_found || record.hash == options.head;
    Json value = shown(record);
    if (!is_about(value, options.subject)) return;
    records.push_back(std::move(value));
    if (options.tail >= 0 && std::cmp_greater(records.size(), options.tail)) records.pop_front();
  };
  SLIPWAY_TRY(const store::AuditCheck check, store::AuditLog(database).check(take));
  print(invocation, records);
  return verdict(invocation, check, options.head, head_found);
}

}  // namespace slipway::cli
