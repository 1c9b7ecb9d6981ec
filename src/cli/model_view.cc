#include "cli/model_view.h"

#include <fmt/format.h>

#include "base/time.h"
#include "cli/text.h"

namespace slipway::cli {
namespace {

Style style_of(const std::string& state) {
  if (state == "ready") return Style::green;
  if (state == "failed" || state == "crash_loop") return Style::red;
  return Style::yellow;
}

std::string count(const Json& object, const char* key) {
  return fmt::format("{:.0f}", number_of(object, key));
}

std::string kv_cell(const Json& replica) {
  const double total = number_of(replica, "kv_total");
  return total <= 0 ? "" : fmt::format("{:.0f} %", 100 * number_of(replica, "kv_used") / total);
}

std::string memory_cell(const Json& replica) {
  const double bytes = number_of(replica, "resident_bytes");
  return bytes <= 0 ? "" : base::human_bytes(static_cast<unsigned long long>(bytes));
}

}  // namespace

std::string state_cell(const Console& console, const std::string& state) {
  return console.paint_out(style_of(state), without_controls(state));
}

std::string replica_remark(const Json& replica) {
  const std::string state = text_of(replica, "state");
  std::string remark;
  const Json& progress = object_of(replica, "progress");
  remark = text_of(progress, "phase");
  const double total = number_of(progress, "total");
  if (total > 0) remark += fmt::format(" {:.0f} %", 100 * number_of(progress, "done") / total);
  const double restarts = number_of(replica, "restarts");
  const std::string last = text_of(replica, "last_exit");
  if (!last.empty() && (state != "ready" || restarts > 0)) {
    remark += (remark.empty() ? "" : "; ") + last;
    const std::string cls = text_of(replica, "last_exit_class");
    if (!cls.empty() && cls != "killed" && cls != "crash")
      remark += " (" + cls + ")";  // those two add nothing
  }
  if (restarts > 0)
    remark +=
        fmt::format("{}{:.0f} restart{}", remark.empty() ? "" : ", ", restarts, restarts == 1 ? "" : "s");
  const std::string device = text_of(replica, "device");
  if (state == "ready" && !device.empty() && device != "CPU")
    remark += (remark.empty() ? "on " : "; on ") + device;
  return without_controls(remark);
}

Table replica_table(const Json& models, const Console& console) {
  using enum Table::Align;
  Table table({{.heading = "REPLICA", .keep = true},
               {.heading = "STATE", .keep = true},
               {.heading = "PID", .align = right},
               {.heading = "RUNNING", .align = right},
               {.heading = "WAITING", .align = right},
               {.heading = "KV", .align = right},
               {.heading = "MEMORY", .align = right},
               {.heading = "REMARK"}});
  for (const Json& model : models) {
    for (const Json& replica : list_of(model, "replicas")) {
      const double pid = number_of(replica, "pid");
      table.add({without_controls(text_of(replica, "id")), state_cell(console, text_of(replica, "state")),
                 pid > 0 ? fmt::format("{:.0f}", pid) : "", count(replica, "running"),
                 count(replica, "waiting"), kv_cell(replica), memory_cell(replica), replica_remark(replica)});
    }
    if (list_of(model, "replicas").empty()) {
      table.add({without_controls(text_of(model, "id")), state_cell(console, text_of(model, "state"))});
    }
  }
  return table;
}

Table cluster_table(const Json& models, const Console& console) {
  Table table({{.heading = "MODEL", .keep = true},
               {.heading = "REPLICA", .keep = true},
               {.heading = "STATE", .keep = true},
               {.heading = "SERVER"},
               {.heading = "NODE"},
               {.heading = "REMARK"}});
  for (const Json& model : models) {
    const std::string id = without_controls(text_of(model, "id")),
                      server = without_controls(text_of(model, "framework"));
    for (const Json& replica : list_of(model, "replicas"))
      table.add({id, without_controls(text_of(replica, "id")), state_cell(console, text_of(replica, "state")),
                 server, without_controls(text_of(replica, "node")), replica_remark(replica)});
    if (list_of(model, "replicas").empty())
      table.add({id, "", state_cell(console, text_of(model, "state")), server});
  }
  return table;
}

void print_deployed(Console& console, const Json& model, bool verbose) {
  const std::string id = text_of(model, "id");
  const std::size_t replicas = list_of(model, "replicas").size();
  console.err(fmt::format("{} {} with {}: {}, context {:.0f} tokens, {:.0f} at once\n", id,
                          text_of(model, "state", "deployed"),
                          counted(static_cast<double>(replicas), "replica"), text_of(model, "file"),
                          number_of(model, "context_tokens"), number_of(model, "parallel")));
  if (!verbose) return;
  for (const Json& reason : list_of(model, "reasons")) {
    if (reason.is_string()) print_note(console, "  " + reason.get<std::string>());
  }
}

std::vector<std::string> model_names(const Json& models) {
  std::vector<std::string> names;
  for (const Json& model : models) {
    names.push_back(text_of(model, "id"));
    if (std::string hub = text_of(model, "model"); !hub.empty() && hub != names.back())
      names.push_back(std::move(hub));
  }
  return names;
}

}  // namespace slipway::cli
