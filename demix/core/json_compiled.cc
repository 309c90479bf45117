#include "demix/core/json_compiled.h"

DEMIX_JSON_TEMPLATES(template, nlohmann::ordered_json)
DEMIX_JSON_TEMPLATES(template, nlohmann::json)
