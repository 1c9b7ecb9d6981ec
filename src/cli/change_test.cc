// The verbs that change something: deploy, undeploy, down, keys.
#include <fstream>

#include "cli/verb_test.h"

namespace slipway::cli {
namespace {

using Change = VerbTest;

std::string model() {
  return Json::parse(kReady)["models"][0].dump();
}

std::string deploying() {
  return event("note", R"({"message":"Q4_1: the faster file on this processor"})") +
         event(
             "progress",
             R"({"phase":"download","subject":"smollm2-135m","done":0,"total":98000000,"unit":"bytes","message":""})") +
         event(
             "progress",
             R"({"phase":"weights","subject":"smollm2-135m-7k2mq","done":3,"total":30,"unit":"layers","message":""})");
}

TEST_F(Change, DeployByNameShowsProgressAndPrintsTheId) {
  stream("POST /control/v1/models", deploying() + event("result", model()));
  golden("deploy", {"deploy", "smollm2-135m"});
  EXPECT_EQ(daemon().asked().back(), R"(POST /control/v1/models {"name":"smollm2-135m"})");
}

TEST_F(Change, DeployOfAFileSendsItsText) {
  stream("POST /control/v1/models", event("result", model()));
  const auto file = home_ / "values.yaml";
  std::ofstream(file) << "model: x\n";
  const Ran r = ran({"deploy", file.string(), "--replicas", "2", "-q"});
  EXPECT_EQ(r.out, "smollm2-135m\n");
  EXPECT_EQ(r.err, "");
  const std::string asked = daemon().asked().back();
  const Json body = Json::parse(asked.substr(asked.find('{')));
  EXPECT_EQ(body, (Json{{"values", "model: x\n"}, {"source", file.string()}, {"replicas", 2}}));
}

TEST_F(Change, DeployOfAMissingFile) {
  golden("deploy_missing_file", {"deploy", "no-such-file.yaml"});
}
TEST_F(Change, DeployWithoutAName) {
  golden("deploy_no_name", {"deploy"});
}
TEST_F(Change, DeployOfTooManyReplicas) {
  golden("deploy_bad_replicas", {"deploy", "x", "--replicas", "0"});
}
TEST_F(Change, DeployWithoutADaemon) {
  golden("deploy_not_running", {"deploy", "smollm2-135m"});
}

TEST_F(Change, DeployThatIsRefusedAtOnce) {
  on("POST /control/v1/models",
     R"x({"error":{"code":"E1004","symbol":"unknown_key",
          "message":"unknown key \"framwork\"; did you mean framework? (v.yaml:5:3)",
          "detail":"5 |   framwork: vllm\n  |   ^~~~~~~~","next":"Use the suggested name, or remove the key."}})x",
     400);
  golden("deploy_refused", {"deploy", "llama"});
}

TEST_F(Change, DeployThatFailsOnItsWay) {
  stream(
      "POST /control/v1/models",
      deploying() +
          event(
              "error",
              R"({"error":{"code":"E3006","message":"needs 9.1 GB, 4.0 GB are free","next":"Set maxModelLen: 4096."}})"));
  golden("deploy_failed", {"deploy", "llama"});
  golden("deploy_failed_json", {"deploy", "llama", "-o", "json", "-q"});
}

TEST_F(Change, DeployWhoseDaemonDies) {
  daemon().on("POST /control/v1/models", {.body = deploying(), .stream = true, .cut = true});
  const Ran r = ran({"deploy", "llama"});
  EXPECT_EQ(r.exit_code, 1);
  EXPECT_NE(r.err.find("next:"), std::string::npos);
}

TEST_F(Change, CtrlCStopsWatchingADeploy) {
  daemon().on("POST /control/v1/models",
              {.body = deploying(), .stream = true, .hang = true, .then = press_ctrl_c()});
  golden("deploy_interrupted", {"deploy", "llama", "-q"});
}

TEST_F(Change, DeployCanBeRehearsed) {
  Json planned = Json::parse(model());
  planned["state"] = "planned";
  planned["replicas"] = Json::array();
  stream("POST /control/v1/models", event("result", planned.dump()));
  golden("deploy_dry_run", {"deploy", "smollm2-135m", "--dry-run"});
  EXPECT_EQ(daemon().asked().back(), R"(POST /control/v1/models {"name":"smollm2-135m","dry_run":true})");
}

TEST_F(Change, Undeploy) {
  stream("DELETE /control/v1/models/smollm2-135m?drain_s=5",
         event("progress",
               R"({"phase":"drain","subject":"smollm2-135m","done":0,"total":2,"unit":"requests"})") +
             event("result", R"({"undeployed":"smollm2-135m","replicas":2,"requests_cut":0})"));
  golden("undeploy", {"undeploy", "smollm2-135m", "--drain", "5"});
}

TEST_F(Change, UndeployOfAnUnknownModel) {
  on("DELETE /control/v1/models/x?drain_s=30",
     R"({"error":{"code":"E2006","message":"no model named \"x\" is deployed"}})", 404);
  golden("undeploy_unknown", {"undeploy", "x"});
}

TEST_F(Change, UndeployCanBeRehearsed) {
  on("GET /control/v1/models", Json{{"models", Json::parse(kReady)["models"]}}.dump());
  golden("undeploy_dry_run", {"undeploy", "smollm2-135m", "--dry-run"});
  golden("undeploy_dry_run_unknown", {"undeploy", "smolm2-135m", "--dry-run"});
}

TEST_F(Change, DownPrintsAReceipt) {
  stream(
      "POST /control/v1/shutdown",
      event(
          "result",
          R"({"stopped":[{"what":"replica","id":"smollm2-135m-7k2mq","pid":4712,"drained":true},{"what":"daemon","id":"local","pid":999999999,"drained":true}],"removed":["/run/slipway/local.sock"],"kept":["/data/slipway/models"],"requests_cut":0,"seconds":0.42})"));
  golden("down", {"down"});
  golden("down_json", {"down", "-o", "json"});
}

TEST_F(Change, DownWhenNothingRuns) {
  golden("down_not_running", {"down"});
  golden("down_not_running_json", {"down", "-o", "json"});
}

TEST_F(Change, DownCanBeRehearsed) {
  on("GET /control/v1/status", kReady);
  golden("down_dry_run", {"down", "--dry-run"});
}

constexpr const char* kKeys = R"({"keys":[
  {"id":"key_0123456789","name":"ci","hint":"x7q2","models":[],"scopes":["inference"],"requests_per_minute":60,
   "tokens_per_minute":0,"concurrent":4,"created":"2026-11-24T07:00:00.000Z","expires":"2026-12-24T07:00:00.000Z","revoked":null},
  {"id":"key_abcdefghjk","name":"twin","hint":"aaaa","models":["smollm2-135m"],"scopes":["inference"],"requests_per_minute":0,
   "tokens_per_minute":0,"concurrent":0,"created":"2026-11-24T07:00:00.000Z","expires":null,"revoked":null},
  {"id":"key_mnpqrstvwx","name":"twin","hint":"bbbb","models":[],"scopes":["inference"],"requests_per_minute":0,
   "tokens_per_minute":0,"concurrent":0,"created":"2026-11-24T07:00:00.000Z","expires":null,"revoked":null},
  {"id":"key_zzzzzzzzzz","name":"old","hint":"cccc","models":[],"scopes":["inference"],"requests_per_minute":0,
   "tokens_per_minute":0,"concurrent":0,"created":"2026-11-24T07:00:00.000Z","expires":null,"revoked":"2026-11-24T08:00:00.000Z"}]})";

TEST_F(Change, ANewKeyAloneGoesToStdout) {
  on("POST /control/v1/keys", R"({"key":"sk-slip-secret","id":"key_0123456789","name":"ci"})");
  golden("keys_create",
         {"keys", "create", "ci", "--requests-per-minute", "60", "--expires", "30d", "-m", "a", "-m", "b"});
  const std::string asked = daemon().asked().back();
  EXPECT_EQ(Json::parse(asked.substr(asked.find('{'))), (Json{{"name", "ci"},
                                                              {"models", {"a", "b"}},
                                                              {"scopes", {"inference"}},
                                                              {"requests_per_minute", 60},
                                                              {"tokens_per_minute", 0},
                                                              {"concurrent", 0},
                                                              {"expires_in_s", 2592000}}));
}

TEST_F(Change, KeysCreateRefusesABadTime) {
  golden("keys_create_bad_time", {"keys", "create", "ci", "--expires", "soon"});
  EXPECT_EQ(ran({"keys", "create", "ci", "--expires", "d"}).exit_code, 2);
  EXPECT_EQ(ran({"keys", "create", "ci", "--expires", "99999999999999d"}).exit_code, 2);
}

TEST_F(Change, KeysList) {
  on("GET /control/v1/keys", kKeys);
  golden("keys_list", {"keys", "list"});
}

TEST_F(Change, KeysListWhenThereIsNone) {
  on("GET /control/v1/keys", R"({"keys":[]})");
  golden("keys_list_empty", {"keys", "list"});
}

TEST_F(Change, RevokeById) {
  on("DELETE /control/v1/keys/key_0123456789", R"({"revoked":"key_0123456789"})");
  golden("keys_revoke", {"keys", "revoke", "key_0123456789"});
}

TEST_F(Change, RevokeByNameNeedsAYes) {
  on("GET /control/v1/keys", kKeys);
  on("DELETE /control/v1/keys/key_0123456789", R"({"revoked":"key_0123456789"})");
  golden("keys_revoke_no_terminal", {"keys", "revoke", "ci"});
  golden("keys_revoke_yes", {"keys", "revoke", "ci", "--yes"});
  golden("keys_revoke_answered_yes", {"keys", "revoke", "ci"}, terminal(), {"y"});
  golden("keys_revoke_answered_no", {"keys", "revoke", "ci"}, terminal(), {""});
}

TEST_F(Change, RevokeOfAnAmbiguousOrUnknownName) {
  on("GET /control/v1/keys", kKeys);
  golden("keys_revoke_ambiguous", {"keys", "revoke", "twin", "--yes"});
  golden("keys_revoke_unknown", {"keys", "revoke", "twim", "--yes"});
  golden("keys_revoke_dry_run", {"keys", "revoke", "ci", "--dry-run"});
}

}  // namespace
}  // namespace slipway::cli
