// Who wins: config explain, up's refusals, and the roles that are not there.
#include <gmock/gmock.h>

#include <fstream>

#include "cli/verb_test.h"

namespace slipway::cli {
namespace {

class Settings : public VerbTest {
 protected:
  std::string file(const std::string& text) {
    const auto path = home_ / "env.tfvars";
    std::ofstream(path) << text;
    return path.string();
  }
  ~Settings() override { unsetenv("SLIPWAY_GATEWAY_PORT"); }
};

TEST_F(Settings, TheDefaultWinsWhenNobodySaysAnything) {
  golden("config_default", {"config", "explain", "gateway_port"});
}

TEST_F(Settings, TheFileWinsOverTheDefault) {
  golden("config_file", {"config", "explain", "gateway_port", "-f", file("# ports\ngateway_port = 8001\n")});
}

TEST_F(Settings, TheVariableWinsOverTheFile) {
  setenv("SLIPWAY_GATEWAY_PORT", "8002", 1);
  golden("config_variable",
         {"config", "explain", "SLIPWAY_GATEWAY_PORT", "-f", file("gateway_port = 8001\n")});
}

TEST_F(Settings, TheFlagWinsOverTheVariable) {
  setenv("SLIPWAY_GATEWAY_PORT", "8002", 1);
  golden("config_flag", {"config", "explain", "gateway_port", "-f", file("gateway_port = 8001\n"), "--set",
                         "gateway_port=8003", "-o", "json"});
}

TEST_F(Settings, AVariableOfOtherTargetsIsExplainedToo) {
  golden("config_other_target", {"config", "explain", "availability_zones_count"});
}

TEST_F(Settings, UnknownNames) {
  golden("config_unknown", {"config", "explain", "gatway_port"});
  golden("config_bad_set", {"config", "explain", "--set", "gateway_port"});
}

TEST_F(Settings, TheOutputFormatMayComeFromTheEnvironment) {
  setenv("SLIPWAY_OUTPUT", "json", 1);
  EXPECT_TRUE(Json::parse(ran({"version"}).out).is_object());
  EXPECT_EQ(ran({"version", "-o", "table"}).out, "slipway " SLIPWAY_VERSION "\n");
  setenv("SLIPWAY_OUTPUT", "toml", 1);
  golden("bad_output_variable", {"version"});
  unsetenv("SLIPWAY_OUTPUT");
}

TEST_F(Settings, ASecretIsNeverPrinted) {
  setenv("SLIPWAY_API_KEY", "sk-slip-secret", 1);
  const Ran one = ran({"config", "explain", "api_key"});
  const Ran all = ran({"config", "explain", "-o", "json"});
  unsetenv("SLIPWAY_API_KEY");
  EXPECT_EQ((one.out + all.out).find("sk-slip-secret"), std::string::npos);
  EXPECT_NE(one.out.find("SLIPWAY_API_KEY"), std::string::npos);
}

TEST_F(Settings, UpNamesTheKubeconfigThatIsNotThere) {
  const std::string none = home_ / "no-kubeconfig";
  golden("up_no_kubeconfig",
         {"up", "-q", "-f", file("target = \"kubernetes\"\nkubeconfig = \"" + none + "\"\n")});
}

TEST_F(Settings, AnEksEnvironmentNeedsAName) {
  golden("up_no_name", {"up", "-f", file("target = \"eks\"\n")});
}
TEST_F(Settings, UpRefusesAnUnknownVariable) {
  golden("up_unknown_variable", {"up", "-f", file("gateway_prt = 9000\n")});
}
TEST_F(Settings, UpRefusesAMissingFile) {
  golden("up_missing_file", {"up", "-f", "no-such-file.tfvars"});
}

TEST_F(Settings, UpCanBeRehearsed) {
  const Ran r = ran({"up", "--dry-run", "--set", "gateway_port=8080", "-o", "json"});
  const Json plan = Json::parse(r.out);
  EXPECT_EQ(plan["would_start"], "local");
  EXPECT_EQ(plan["settings"]["gateway_port"], (Json{{"value", "8080"}, {"where", "--set"}}));
}

TEST_F(Settings, ASecondUpChangesNothingAndSaysSo) {
  on("GET /control/v1/status", kReady);
  stream("GET /control/v1/progress", event("result", Json::parse(kReady).dump()));
  golden("up_already_running", {"up"});
}

TEST_F(Settings, UpSaysWhichModelFailed) {
  Json status = Json::parse(kReady);
  status["healthy"] = false;
  status["models"][0]["state"] = "failed";
  on("GET /control/v1/status", status.dump());
  std::string one_line = status.dump();
  stream("GET /control/v1/progress", event("result", one_line));
  golden("up_partial", {"up"});
}

TEST_F(Settings, UpPassesOnWhyADownloadFailed) {
  Json status = Json::parse(kReady);
  status["healthy"] = false;
  status["models"][0]["state"] = "failed";
  status["models"][0]["replicas"] = Json::array();
  status["models"][0]["error"] = {
      {"code", "E3002"},
      {"message", "pip could not fetch x==1 (exit code 1)"},
      {"detail", "first\nsecond\nERROR: none here\nERROR: No matching distribution\n"}};
  on("GET /control/v1/status", status.dump());
  stream("GET /control/v1/progress", event("result", status.dump()));
  const Ran r = ran({"up"});
  EXPECT_EQ(r.exit_code, 7);
  EXPECT_THAT(r.err, ::testing::HasSubstr("E3002 pip could not fetch x==1 (exit code 1)\n"));
  EXPECT_THAT(r.err, ::testing::HasSubstr("ERROR: No matching distribution\n"));
  EXPECT_THAT(r.err, ::testing::Not(::testing::HasSubstr("first"))) << "only the last lines";
  EXPECT_THAT(r.err, ::testing::HasSubstr("slipway deploy smollm2-135m"));
}

TEST_F(Settings, TheControllerRoleNeedsACluster) {
  golden("serve_controller", {"serve", "--role", "controller"});
}
TEST_F(Settings, UnknownRole) {
  golden("serve_unknown_role", {"serve", "--role", "proxy"});
}

}  // namespace
}  // namespace slipway::cli
