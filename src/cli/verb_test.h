// Base of the tests of verbs that speak to a daemon: an own SLIPWAY_HOME and a fake control server on its
// socket.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/fake_server.h"
#include "cli/interrupt.h"
#include "cli/testing.h"
#include "io/files.h"
#include "store/environment.h"

namespace slipway::cli {

class VerbTest : public testing::Test {
 protected:
  VerbTest() {
    std::string pattern = std::filesystem::path(testing::TempDir()) / "cliXXXXXX";
    home_ = mkdtemp(pattern.data());
    setenv("SLIPWAY_HOME", home_.c_str(), 1);
    const auto paths = io::user_paths();
    EXPECT_TRUE(paths);
    where_ = store::environment_paths(*paths, "local").value();
    EXPECT_TRUE(io::make_directories(paths->runtime));
  }
  ~VerbTest() override {
    daemon_.reset();
    unsetenv("SLIPWAY_HOME");
    std::filesystem::remove_all(home_);
  }

  FakeServer& daemon() {
    if (!daemon_)
      daemon_ = std::make_unique<FakeServer>(
          domain::Endpoint{.path = where_.control_socket.string(), .host = "", .port = 0});
    return *daemon_;
  }
  void on(const std::string& call, std::string body, int status = 200) {
    daemon().on(call, {.status = status, .body = std::move(body)});
  }
  void stream(const std::string& call, std::string events) {
    daemon().on(call, {.body = std::move(events), .stream = true});
  }
  // What Ctrl-C does, from another thread, once `call` got its body.
  static std::function<void()> press_ctrl_c() {
    return [] { ::kill(getpid(), SIGINT); };
  }

  Ran ran(const std::vector<std::string>& arguments, TerminalFacts facts = {},
          std::deque<std::string> input = {}) {
    return run_cli(arguments, facts, std::move(input));
  }
  void golden(const std::string& name, const std::vector<std::string>& arguments, TerminalFacts facts = {},
              std::deque<std::string> input = {}) {
    expect_golden(name, arguments, ran(arguments, facts, std::move(input)), {{home_.string(), "<home>"}});
  }

  std::filesystem::path home_;
  store::EnvironmentPaths where_;
  std::unique_ptr<FakeServer> daemon_;
};

inline constexpr const char* kReady =
    R"({"environment":"local","version":"0.1.0","pid":4711,"started":"2026-11-24T07:00:00.000Z",
 "uptime_s":61,"gateway":{"url":"http://127.0.0.1:8000","keys_required":false},
 "models":[{"id":"smollm2-135m","model":"HuggingFaceTB/SmolLM2-135M-Instruct","task":"chat","framework":"llama-cpp",
  "source":"catalogue","license":"Apache-2.0","file":"SmolLM2-135M-Instruct.Q4_1.gguf","sha256":"ab","context_tokens":8192,
  "parallel":8,"layout":"unified","reasons":["Q4_1: the faster file on this processor","unified: requests share prefixes"],
  "replicas_wanted":2,"state":"ready","url":"http://127.0.0.1:8000/v1","replicas":[
   {"id":"smollm2-135m-7k2mq","state":"ready","pid":4712,"uptime_s":60,"restarts":0,"progress":null,"running":1,"waiting":0,
    "kv_used":812,"kv_total":16384,"resident_bytes":212000000,"last_exit":null,"last_exit_class":null,"last_lines":[]},
   {"id":"smollm2-135m-x9d3p","state":"starting","pid":4713,"uptime_s":1,"restarts":2,
    "progress":{"phase":"weights","done":31,"total":50,"unit":"layers"},"running":0,"waiting":0,"kv_used":0,"kv_total":0,
    "resident_bytes":0,"last_exit":"killed by SIGKILL","last_exit_class":"killed","last_lines":["x"]}]}],
 "resources":{"cpus":2,"memory_bytes":8000000000,"memory_available_bytes":4000000000},"healthy":true,
 "summary":"1 model answers at http://127.0.0.1:8000/v1; 1 of 2 replicas is ready."})";

}  // namespace slipway::cli
