// The verbs that only look: status, models, top, logs, doctor.
#include <fstream>

#include "cli/doctor_checks.h"
#include "cli/model_view.h"
#include "cli/verb_test.h"

namespace slipway::cli {
namespace {

using Look = VerbTest;

TEST_F(Look, StatusIsASentenceAndATable) {
  on("GET /control/v1/status", kReady);
  golden("status", {"status"});
  golden("status_terminal", {"status"}, terminal(90));
  golden("status_yaml", {"status", "-o", "yaml"});
}

TEST_F(Look, AReplicaOnAGpuSaysSo) {
  EXPECT_EQ(replica_remark({{"state", "ready"}, {"device", "CUDA0 (NVIDIA X)"}}), "on CUDA0 (NVIDIA X)");
  EXPECT_EQ(replica_remark({{"state", "ready"}, {"device", "CPU"}}), "");
}

TEST_F(Look, ADriverWithoutAWorkerThatUsesItIsSaid) {
  EXPECT_EQ(check_gpus({}).health, Health::warn);
  const Finding found = check_gpus({{"CUDA0", "NVIDIA X", 24'000'000'000, 23'000'000'000}});
  EXPECT_EQ(found.health, Health::ok);
  EXPECT_EQ(found.message, "CUDA0 (NVIDIA X), 23.0 GB free of 24.0 GB");
}

TEST_F(Look, StatusAsJsonIsTheDaemonsAnswer) {
  on("GET /control/v1/status", kReady);
  const Ran r = ran({"status", "-o", "json"});
  EXPECT_EQ(r.exit_code, 0);
  EXPECT_EQ(Json::parse(r.out), Json::parse(kReady));
  EXPECT_EQ(r.err, "");
}

TEST_F(Look, StatusWithoutADaemon) {
  golden("status_not_running", {"status"});
  golden("status_not_running_json", {"status", "-o", "json"});
}

TEST_F(Look, StatusOfAKilledDaemon) {
  std::ofstream(where_.control_socket) << "";  // a file where nobody listens, as kill -9 leaves it
  golden("status_killed", {"status"});
}

TEST_F(Look, StatusNamesTheEnvironmentThatRuns) {
  daemon();
  golden("status_other_environment", {"--environment", "staging", "status"});
}

TEST_F(Look, StatusOfABadEnvironmentName) {
  golden("status_bad_environment", {"status", "--environment", "../x"});
}

TEST_F(Look, StatusNeverTakesMoreThanAScreen) {
  Json status = Json::parse(kReady);
  Json& replicas = status["models"][0]["replicas"];
  for (int i = 0; i < 100; ++i) replicas.push_back(replicas[0]);
  on("GET /control/v1/status", status.dump());
  const Ran r = ran({"status"}, terminal());
  EXPECT_LE(std::ranges::count(r.out, '\n'), 24);
  EXPECT_NE(r.out.find("more; `-o json` prints all"), std::string::npos);
}

TEST_F(Look, StatusOfAnEmptyDaemon) {
  Json status = Json::parse(kReady);
  status["models"] = Json::array();
  status["summary"] = "No model is deployed.";
  on("GET /control/v1/status", status.dump());
  golden("status_empty", {"status"});
}

TEST_F(Look, WatchEndsWithCtrlC) {
  daemon().on("GET /control/v1/status", {.body = kReady, .then = press_ctrl_c()});
  const Ran r = ran({"status", "--watch"});
  EXPECT_EQ(r.exit_code, 130);
}

TEST_F(Look, AnAnswerThatIsNoJsonIsAnError) {
  on("GET /control/v1/status", "<html>");
  golden("status_garbage", {"status"});
}

TEST_F(Look, ModelsAreTheDeployedOnes) {
  on("GET /control/v1/models", Json{{"models", Json::parse(kReady)["models"]}}.dump());
  golden("models", {"models"});
}

TEST_F(Look, NoModels) {
  on("GET /control/v1/models", R"({"models":[]})");
  golden("models_empty", {"models"});
}

TEST_F(Look, AvailableModelsSayWhetherTheyFit) {
  on("GET /control/v1/catalog", R"({"models":[
    {"name":"smollm2-135m","model":"HuggingFaceTB/SmolLM2-135M-Instruct","license":"Apache-2.0","task":"chat",
     "parameters":135000000,"context_tokens":8192,"files":[{"name":"a.gguf","bytes":98000000}],"file":"a.gguf",
     "fits":true,"reason":"98.0 MB of weights and 380 MB of KV in 4.0 GB free","downloaded":true},
    {"name":"llama-3.1-70b","model":"meta-llama/Llama-3.1-70B-Instruct","license":"llama3.1","task":"chat",
     "parameters":70600000000,"context_tokens":131072,"files":[{"name":"b.gguf","bytes":42500000000}],"file":"b.gguf",
     "fits":false,"reason":"needs 42.5 GB, 4.0 GB are free","downloaded":false}]})");
  golden("models_available", {"models", "--available"});
}

constexpr const char* kTop =
    R"({"at":"2026-11-24T07:00:00.000Z","requests_per_s":2.4,"tokens_per_s":170.2,"models":[
  {"id":"smollm2-135m","requests_per_s":2.4,"prompt_tokens_per_s":96.0,"output_tokens_per_s":74.2,"running":3,"waiting":1,
   "kv_ratio":0.31,"prefix_hit_ratio":null,"ttft_ms_p50":84.2,"ttft_ms_p99":410.0,"cpu_percent":188.0,"resident_bytes":212000000}]})";

TEST_F(Look, TopIsOneLookOnAPipe) {
  on("GET /control/v1/top", kTop);
  golden("top", {"top"});
}

TEST_F(Look, TopRefreshesOnATerminalUntilCtrlC) {
  daemon().on("GET /control/v1/top", {.body = kTop, .then = press_ctrl_c()});
  const Ran r = ran({"top"}, terminal(160));
  EXPECT_EQ(r.exit_code, 130);
}

constexpr const char* kLines =
    R"({"ts":"2026-11-24T07:00:01.123Z","level":"info","event":"request","msg":"POST /v1/chat/completions","model":"smollm2-135m","status":200})"
    "\n"
    R"({"ts":"2026-11-24T07:00:02.000Z","level":"error","event":"replica_exit","msg":"killed by SIGSEGV","replica":"smollm2-135m-7k2mq","note":"two words"})"
    "\n";

std::string deployed() {
  return Json{{"models", Json::parse(kReady)["models"]}}.dump();
}

TEST_F(Look, LogsAreALineARecord) {
  on("GET /control/v1/models", deployed());
  on("GET /control/v1/logs?tail=100", kLines);
  golden("logs", {"logs"});
  golden("logs_json", {"logs", "-o", "json"});
}

TEST_F(Look, LogsOfOneModelOrReplica) {
  on("GET /control/v1/models", deployed());
  on("GET /control/v1/logs?tail=5&model=smollm2-135m", kLines);
  on("GET /control/v1/logs?tail=5&replica=smollm2-135m-7k2mq", kLines);
  EXPECT_EQ(ran({"logs", "smollm2-135m", "--tail", "5"}).exit_code, 0);
  EXPECT_EQ(ran({"logs", "HuggingFaceTB/SmolLM2-135M-Instruct", "--tail", "5"}).exit_code, 0);
  EXPECT_EQ(ran({"logs", "smollm2-135m-7k2mq", "--tail", "5"}).exit_code, 0);
}

TEST_F(Look, LogsOfNobody) {
  on("GET /control/v1/models", deployed());
  on("GET /control/v1/logs?tail=100&model=smollm2-135n", "");
  golden("logs_unknown", {"logs", "smollm2-135n"});
}

TEST_F(Look, FollowedLogsEndWithCtrlC) {
  on("GET /control/v1/models", deployed());
  daemon().on("GET /control/v1/logs?tail=100&follow=1",
              {.body = kLines, .hang = true, .then = press_ctrl_c()});
  EXPECT_EQ(ran({"logs", "-f"}).exit_code, 130);
}

TEST_F(Look, LogsComeFromDiskWhenNothingRuns) {
  std::filesystem::create_directories(where_.logs);
  std::ofstream(where_.logs / "00000001.jsonl") << kLines;
  const Ran r = ran({"logs"});
  EXPECT_EQ(r.exit_code, 0);
  EXPECT_NE(r.out.find("killed by SIGSEGV"), std::string::npos) << r.out;
  EXPECT_NE(r.err.find("not running"), std::string::npos) << r.err;
}

TEST_F(Look, DoctorChecksEverythingAndGivesNextSteps) {
  setenv("SLIPWAY_GATEWAY_PORT", "0", 1);
  const Ran r = ran({"doctor", "-o", "json"});
  unsetenv("SLIPWAY_GATEWAY_PORT");
  const Json report = Json::parse(r.out);
  std::vector<std::string> names;
  for (const Json& check : report["checks"]) {
    names.push_back(check["check"]);
    EXPECT_EQ(check["health"] == "ok", check["next"].is_null()) << check;
  }
  EXPECT_EQ(names, (std::vector<std::string>{"slipway", "slipway-worker", "pip", "processor", "memory",
                                             "disk", "data", "state", "runtime", "socket", "port",
                                             "open files", "sandbox", "daemon"}));
  EXPECT_EQ(r.exit_code == 0, report["ok"].get<bool>());
}

TEST_F(Look, DoctorPrintsEveryPath) {
  golden("doctor_paths", {"doctor", "--paths"});
}

}  // namespace
}  // namespace slipway::cli
