// `slipway logs --audit` on an environment whose daemon is not running.
#include "store/audit.h"

#include "cli/verb_test.h"

namespace slipway::cli {
namespace {

class AuditVerb : public VerbTest {
 protected:
  // A day on this machine: a start, a key made and revoked, a deploy, the end.
  void record_a_day() {
    const auto environment =
        store::Environment::open(io::user_paths().value(), "local", base::WallTime(kMorning));
    ASSERT_TRUE(environment) << environment.error().to_string();
    const store::Actor daemon{.via = "daemon", .uid = 1000, .pid = 4700};
    const store::Actor person{.via = "control", .uid = 1000, .pid = 4711};
    add(*environment, daemon, "start", "local", {{"version", "0.1.0"}, {"models", Names::array()}});
    add(*environment, person, "key.create", "key_0123456789",
        {{"name", "ci"}, {"scopes", {"inference"}}, {"requests_per_minute", 60}});
    add(*environment, person, "deploy", "smollm2-135m", {{"name", "smollm2-135m"}, {"source", "catalogue"}},
        store::kBegun);
    add(*environment, person, "deploy", "smollm2-135m", {{"name", "smollm2-135m"}, {"source", "catalogue"}});
    add(*environment, person, "key.revoke", "key_0123456789", {{"name", "ci"}});
    add(*environment, person, "undeploy", "llama", Names::object(), "unknown_model");
    add(*environment, {.via = "signal"}, "down", "local");
  }
  using Names = nlohmann::json;
  void add(const store::Environment& environment, const store::Actor& by, const char* action,
           const char* subject, Names details = Names::object(), std::string_view outcome = store::kDone) {
    minutes_ += std::chrono::minutes(5);
    ASSERT_TRUE(environment.audit().append({.at = base::WallTime(kMorning + minutes_),
                                            .by = by,
                                            .action = action,
                                            .subject = subject,
                                            .details = std::move(details),
                                            .outcome = std::string(outcome)}));
  }
  void tamper(const std::string& sql) {
    const auto database = store::Database::open(where_.state_db);
    ASSERT_TRUE(
        database->execute("DROP TRIGGER IF EXISTS audit_never_changes;"
                          "DROP TRIGGER IF EXISTS audit_never_shrinks;" +
                          sql));
  }
  std::string last_hash() {
    const std::string lines = ran({"logs", "--audit", "-o", "json", "--tail", "1"}).out;
    return Json::parse(lines)["hash"].get<std::string>();
  }
  static constexpr std::chrono::milliseconds kMorning{1'795'503'300'000};
  std::chrono::minutes minutes_{0};
};

TEST_F(AuditVerb, ShowsWhoDidWhatAndTheHeadToKeep) {
  record_a_day();
  golden("audit", {"logs", "--audit"});
  golden("audit_of_a_key", {"logs", "ci", "--audit", "--tail", "1", "-q"});
}

TEST_F(AuditVerb, ExportsRecordsThatAnybodyCanHashAgain) {
  record_a_day();
  golden("audit_json", {"logs", "--audit", "-o", "json", "-q"});
  std::istringstream lines(ran({"logs", "--audit", "-o", "json"}).out);
  std::string before(64, '0'), line;
  int records = 0;
  for (; std::getline(lines, line); ++records) {
    auto record = nlohmann::json::parse(line);  // sorted keys
    const std::string hash = record["hash"];
    record.erase("hash");
    EXPECT_EQ(record["previous"], before);
    EXPECT_EQ(store::audit_hash(record.dump()), hash);
    before = hash;
  }
  EXPECT_EQ(records, 7);
}

TEST_F(AuditVerb, AChangedRecordIsNamed) {
  record_a_day();
  tamper("UPDATE audit SET record = replace(record, 'key_01', 'key_10') WHERE number = 2");
  golden("audit_changed", {"logs", "--audit"});
  golden("audit_changed_json", {"logs", "--audit", "-o", "json", "--tail", "1"});
}

TEST_F(AuditVerb, AMissingRecordIsNamed) {
  record_a_day();
  tamper("DELETE FROM audit WHERE number = 5");
  golden("audit_missing", {"logs", "--audit", "-q"});
}

TEST_F(AuditVerb, ACutEndIsFoundByTheHeadThatWasKept) {
  record_a_day();
  const std::string head = last_hash();
  EXPECT_EQ(ran({"logs", "--audit", "--head", head}).exit_code, 0);
  tamper("DELETE FROM audit WHERE number > 5");
  EXPECT_EQ(ran({"logs", "--audit"}).exit_code, 0) << "nothing in the file tells";
  golden("audit_cut", {"logs", "--audit", "-q", "--tail", "1", "--head", head});
}

TEST_F(AuditVerb, ATextThatIsNoRecordAnyMoreIsStillShown) {
  record_a_day();
  tamper("UPDATE audit SET record = 'nothing' WHERE number = 7");
  const Ran r = ran({"logs", "--audit", "-o", "json", "--tail", "1"});
  EXPECT_EQ(Json::parse(r.out)["text"], "nothing");
  EXPECT_EQ(r.exit_code, 1);
}

TEST_F(AuditVerb, WhereNothingEverRanThereIsNone) {
  golden("audit_never_ran", {"logs", "--audit"});
}
TEST_F(AuditVerb, DoesNotFollow) {
  golden("audit_follow", {"logs", "--audit", "-f"});
  golden("audit_head_alone", {"logs", "--head", "ab"});
}

}  // namespace
}  // namespace slipway::cli
