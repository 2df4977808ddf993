#include "abi.h"

namespace trtd {
namespace {

constexpr int FAMILIES = 6;

// Field order: abi.h.
constexpr Family ROWS[FAMILIES] = {
    {"8.5", 80500, 80599, false, false, true, true, false, false, Monitor::plain, 0, -1, false, true, 4},
    {"8.6 to 9.x", 80600, 90999, false, false, true, true, false, false, Monitor::plain, 0, 2, false, true, 5},
    {"10.x", 100000, 109999, false, true, false, false, true, false, Monitor::versioned, -1, 1, false, true, 6},
    {"11.x", 110000, 119999, false, true, false, false, true, true, Monitor::versioned, -1, -1, true, true, 6},
    {"RTX 1.3 to 1.4", 10300, 10499, true, true, false, false, true, false, Monitor::versioned, -1, -1, true, false, 6},
    {"RTX 1.5 to 1.7", 10500, 19999, true, true, false, false, true, true, Monitor::versioned, -1, -1, true, false, 6},
};

constexpr int16_t SLOTS[METHOD_COUNT][FAMILIES] = {
#define SLOT(name, ...) {__VA_ARGS__},
#include "slots.inc"
#undef SLOT
};

constexpr const char* METHOD_NAMES[METHOD_COUNT] = {
#define SLOT(name, ...) #name,
#include "slots.inc"
#undef SLOT
};

constexpr int8_t FLAGS[FLAG_COUNT][FAMILIES] = {
#define FLAG(name, ...) {__VA_ARGS__},
#include "flags.inc"
#undef FLAG
};

constexpr const char* FLAG_NAMES[FLAG_COUNT] = {
#define FLAG(name, ...) #name,
#include "flags.inc"
#undef FLAG
};

// Methods and flags that came in the middle of a family. The headers in NVIDIA/TensorRT v9.2.0 are those of 8.6.1, so 9.2
// is taken to have what 9.1 and 9.3 both have; there are none of 9.0, which is taken to have none of it.
struct Since {
  int number;
  int32_t family;
  int32_t version;
};

constexpr Since METHODS_SINCE[] = {
    {CudaEngine_getDeviceMemorySizeV2, TRTD_FAMILY_10, 100100},
    {CudaEngine_createRuntimeConfig, TRTD_FAMILY_10, 101100},
    {CudaEngine_createExecutionContextWithRuntimeConfig, TRTD_FAMILY_10, 101100},
    {BuilderConfig_setProgressMonitor, TRTD_FAMILY_8_6, 90100},
    {ParserError_nodeName, TRTD_FAMILY_8_6, 90000},
    {ParserError_nodeOperator, TRTD_FAMILY_8_6, 90000},
};

constexpr Since FLAGS_SINCE[] = {
    {TRTD_FLAG_BF16, TRTD_FAMILY_8_6, 90100},
    {TRTD_FLAG_ERROR_ON_TIMING_CACHE_MISS, TRTD_FAMILY_8_6, 90100},
    {TRTD_FLAG_DISABLE_COMPILATION_CACHE, TRTD_FAMILY_8_6, 90100},
    {TRTD_FLAG_STRIP_PLAN, TRTD_FAMILY_8_6, 90300},
    {TRTD_FLAG_STRICT_NANS, TRTD_FAMILY_10, 100600},
    {TRTD_FLAG_MONITOR_MEMORY, TRTD_FAMILY_10, 100600},
    {TRTD_FLAG_EDITABLE_TIMING_CACHE, TRTD_FAMILY_10, 100800},
};

// Releases (major * 100 + minor) whose slots were compared with their public headers, or used. `runtime` is for lean and
// dispatch libraries alone.
struct Verified {
  bool rtx;
  int32_t release;
  int32_t evidence;
  bool runtime = false;
};

constexpr Verified VERIFIED[] = {
    {false, 805, TRTD_EVIDENCE_HEADERS},  {false, 806, TRTD_EVIDENCE_HEADERS},  {false, 901, TRTD_EVIDENCE_HEADERS},
    {false, 903, TRTD_EVIDENCE_HEADERS},
    {false, 1000, TRTD_EVIDENCE_HEADERS}, {false, 1003, TRTD_EVIDENCE_HEADERS}, {false, 1008, TRTD_EVIDENCE_HEADERS},
    {false, 1013, TRTD_EVIDENCE_HEADERS}, {false, 1016, TRTD_EVIDENCE_HEADERS}, {false, 1101, TRTD_EVIDENCE_HEADERS},
    {true, 103, TRTD_EVIDENCE_HEADERS},   {true, 104, TRTD_EVIDENCE_RUN},       {true, 105, TRTD_EVIDENCE_RUN},
    {true, 106, TRTD_EVIDENCE_RUN},       {true, 107, TRTD_EVIDENCE_RUN},
    {false, 1016, TRTD_EVIDENCE_RUN, true}, {false, 1104, TRTD_EVIDENCE_RUN, true},
};

int32_t evidenceFor(bool rtx, int32_t release, bool runtime) {
  int32_t best = TRTD_EVIDENCE_NONE;
  for (const Verified& row : VERIFIED) {
    const bool meant = row.rtx == rtx && row.release == release && (runtime || !row.runtime);
    if (meant && row.evidence > best) best = row.evidence;
  }
  return best;
}

}  // namespace

const Family& familyRow(int32_t family) { return ROWS[family]; }

int slotOf(int32_t family, int32_t version, Method method) {
  for (const Since& row : METHODS_SINCE) {
    if (row.number == method && row.family == family && version < row.version) return -1;
  }
  return SLOTS[method][family];
}

const char* methodName(Method method) { return METHOD_NAMES[method]; }

int flagNumber(int32_t family, int32_t version, int32_t flag) {
  for (const Since& row : FLAGS_SINCE) {
    if (row.number == flag && row.family == family && version < row.version) return -1;
  }
  return FLAGS[flag][family];
}

const char* flagName(int32_t flag) { return FLAG_NAMES[flag]; }

Identity identify(int32_t raw, bool force, bool runtime) {
  // 8.x and 9.x report four digits, RTX five, 10 and later six.
  Identity id{};
  id.product = raw >= 10000 && raw < 100000 ? TRTD_PRODUCT_TENSORRT_RTX : TRTD_PRODUCT_TENSORRT;
  const bool rtx = id.product == TRTD_PRODUCT_TENSORRT_RTX;
  id.major = raw < 10000 ? raw / 1000 : raw / 10000;
  id.minor = raw < 10000 ? raw / 100 % 10 : raw / 100 % 100;
  id.patch = raw % 100;
  id.version = id.major * 10000 + id.minor * 100 + id.patch;
  id.family = -1;
  int32_t nearest = -1;
  for (int32_t i = 0; i < FAMILIES; ++i) {
    if (ROWS[i].rtx != rtx) continue;
    if (id.version >= ROWS[i].oldest && id.version <= ROWS[i].newest) id.family = i;
    if (id.version > ROWS[i].newest) nearest = i;
  }
  if (id.family < 0 && force && nearest >= 0) {
    id.family = nearest;
    id.forced = true;
  }
  id.evidence = id.forced ? TRTD_EVIDENCE_NONE : evidenceFor(rtx, id.major * 100 + id.minor, runtime);
  return id;
}

std::string knownVersions() { return "TensorRT 8.5 to 11.x and TensorRT-RTX 1.3 to 1.7"; }

std::string versionText(int32_t version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

std::string productText(const Identity& id) {
  return (id.product == TRTD_PRODUCT_TENSORRT_RTX ? "TensorRT-RTX " : "TensorRT ") + versionText(id.version);
}

}  // namespace trtd
