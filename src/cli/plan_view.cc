#include "cli/plan_view.h"

#include <fmt/format.h>

#include "cli/text.h"
#include "codec/values.h"

namespace slipway::cli {
namespace {

using environment::Plan;
using enum Table::Align;

std::string heading(const Console& console, std::string_view text) {
  return "\n" + console.paint_out(Style::bold, text) + "\n";
}

std::string usd(double amount) {
  return fmt::format("{:.2f}", amount);
}

std::string creations_text(const Console& console, const Plan& plan) {
  Table table({{.heading = "PART"},
               {.heading = "COUNT", .align = right},
               {.heading = "WHAT"},
               {.heading = "DETAIL"}});
  std::string group;
  for (const environment::Creation& c : plan.creations) {
    table.add({c.group == group ? "" : c.group, std::to_string(c.count), c.what, c.detail});
    group = c.group;
  }
  return heading(console, "What will be created") + table.render(console.facts());
}

std::string bill_text(const Console& console, const Plan& plan) {
  Table table({{.heading = "WHAT"},
               {.heading = "FORMULA"},
               {.heading = "USD A MONTH", .align = right},
               {.heading = "NOTE"}});
  for (const policy::PriceRow& row : plan.bill.rows)
    table.add({row.item.what, row.formula, usd(row.usd_month), row.item.note});
  table.add({"total", "", usd(plan.bill.usd_month), ""});
  std::string out = heading(console, "Fixed price, while no model runs") + table.render(console.facts());
  out += fmt::format("List prices of {} of {}, without taxes and discounts.", plan.prices_region,
                     plan.prices_date);
  if (plan.prices_region != plan.region) out += fmt::format(" Those of {} may differ.", plan.region);
  for (const std::string& what : plan.bill.unpriced) out += fmt::format("\nNo price is known of {}.", what);
  return out + "\n";
}

std::string models_text(const Console& console, const Plan& plan) {
  if (plan.models.empty()) return "";
  Table table({{.heading = "MODEL", .keep = true},
               {.heading = "FRAMEWORK"},
               {.heading = "INSTANCE TYPE"},
               {.heading = "NODES", .align = right},
               {.heading = "USD AN HOUR A REPLICA", .align = right},
               {.heading = "WHY"}});
  for (const environment::ModelPlan& m : plan.models) {
    const bool fits = m.choice.type != nullptr;
    table.add({without_controls(m.name), std::string(codec::to_string(m.framework)),
               fits ? m.choice.type->name : "none", fits ? std::to_string(m.pods) : "-",
               m.usd_hour_replica > 0 ? fmt::format("{:.3f}", m.usd_hour_replica) : "-", m.choice.why});
    if (!m.head) continue;
    table.add({"", "its head", m.head->choice.type ? m.head->choice.type->name : "none",
               m.head->choice.type ? "1" : "-", "-",
               m.head->usd_hour > 0
                   ? fmt::format("{:.3f} USD an hour more, once; {}", m.head->usd_hour, m.head->choice.why)
                   : m.head->choice.why});
  }
  return heading(console, "Models, on demand") + table.render(console.facts());
}

std::string quotas_text(const Console& console, const Plan& plan) {
  Table table({{.heading = "CODE", .keep = true},
               {.heading = "QUOTA"},
               {.heading = "NEEDED", .align = right},
               {.heading = "HAVE", .align = right},
               {.heading = "FORMULA"}});
  bool asked = false;
  std::string requests;
  for (const policy::QuotaNeed& q : plan.quotas) {
    asked = asked || q.limit.has_value();
    table.add({q.code, q.name, fmt::format("{:.0f}", q.need),
               fmt::format("{:.0f}{}", q.limit.value_or(q.new_account), q.short_of() ? " (short)" : ""),
               q.formula});
    if (q.short_of()) requests += "  " + policy::request_command(q, plan.region) + "\n";
  }
  std::string out = heading(console, "Service quotas") + table.render(console.facts());
  if (!asked) out += "HAVE is what a new account has; with credentials the account's own is shown.\n";
  if (!requests.empty()) out += "Ask for more:\n" + requests;
  return out;
}

std::string risks_text(const Console& console, const Plan& plan) {
  if (plan.risks.empty()) return "";
  std::string out = heading(console, "Worth knowing");
  for (const policy::Risk& r : plan.risks) out += fmt::format("- {}: {}.\n  {}\n", r.what, r.why, r.cure);
  return out;
}

Json creations_json(const Plan& plan) {
  Json out = Json::array();
  for (const environment::Creation& c : plan.creations)
    out.push_back({{"part", c.group}, {"what", c.what}, {"count", c.count}, {"detail", c.detail}});
  return out;
}

Json bill_json(const Plan& plan) {
  Json rows = Json::array();
  for (const policy::PriceRow& r : plan.bill.rows)
    rows.push_back({{"what", r.item.what},
                    {"unit", r.item.unit},
                    {"quantity", r.item.quantity},
                    {"unit_usd", r.unit_usd},
                    {"formula", r.formula},
                    {"usd_month", r.usd_month},
                    {"note", r.item.note}});
  return {{"usd_month", plan.bill.usd_month},
          {"price_list", {{"region", plan.prices_region}, {"date", plan.prices_date}}},
          {"rows", rows},
          {"unpriced", plan.bill.unpriced}};
}

Json pool_json(const policy::InstanceChoice& choice) {
  return choice.pool.empty() ? Json() : Json(choice.pool);
}

Json head_json(const std::optional<environment::HeadPlan>& head) {
  if (!head) return nullptr;
  return {{"pool", pool_json(head->choice)},
          {"instance_type", head->choice.type ? Json(head->choice.type->name) : Json()},
          {"usd_hour", head->usd_hour > 0 ? Json(head->usd_hour) : Json()},
          {"why", head->choice.why}};
}

Json models_json(const Plan& plan) {
  Json out = Json::array();
  for (const environment::ModelPlan& m : plan.models)
    out.push_back({{"name", m.name},
                   {"model", m.model},
                   {"framework", codec::to_string(m.framework)},
                   {"file", m.file},
                   {"pool", pool_json(m.choice)},
                   {"instance_type", m.choice.type ? Json(m.choice.type->name) : Json()},
                   {"nodes_a_replica", m.pods},
                   {"replicas", m.replicas},
                   {"usd_hour_a_replica", m.usd_hour_replica > 0 ? Json(m.usd_hour_replica) : Json()},
                   {"head", head_json(m.head)},
                   {"why", m.choice.why}});
  return out;
}

Json quotas_json(const Plan& plan) {
  Json out = Json::array();
  for (const policy::QuotaNeed& q : plan.quotas)
    out.push_back({{"service", q.service},
                   {"code", q.code},
                   {"name", q.name},
                   {"need", q.need},
                   {"new_account", q.new_account},
                   {"limit", q.limit ? Json(*q.limit) : Json()},
                   {"short", q.short_of()},
                   {"formula", q.formula},
                   {"request", policy::request_command(q, plan.region)}});
  return out;
}

}  // namespace

std::string plan_text(const Console& console, const Plan& plan) {
  std::string out = fmt::format("Environment {} on Amazon EKS in {}: {} USD a month before any model runs.\n",
                                plan.name, plan.region, usd(plan.bill.usd_month));
  out += creations_text(console, plan);
  out += bill_text(console, plan);
  out += models_text(console, plan);
  out += quotas_text(console, plan);
  out += risks_text(console, plan);
  return out;
}

Json plan_json(const Plan& plan) {
  Json risks = Json::array();
  for (const policy::Risk& r : plan.risks)
    risks.push_back({{"id", r.id}, {"what", r.what}, {"why", r.why}, {"cure", r.cure}});
  Json addons = Json::array();
  for (const policy::AddonDecision& d : plan.addons)
    addons.push_back({{"name", d.addon->name}, {"version", d.addon->version}, {"on", d.on}, {"why", d.why}});
  return {{"name", plan.name},
          {"target", "eks"},
          {"region", plan.region},
          {"day", plan.today},
          {"kubernetes_version", plan.version.version.version},
          {"standard_support_days_left", plan.version.days_left},
          {"creates", creations_json(plan)},
          {"addons", addons},
          {"fixed_price", bill_json(plan)},
          {"models", models_json(plan)},
          {"quotas", quotas_json(plan)},
          {"risks", risks},
          {"warnings", plan.warnings}};
}

}  // namespace slipway::cli
