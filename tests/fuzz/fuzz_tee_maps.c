/* Lines of /proc/PID/maps: file names in them are the caller's. */
#include "tee/measure.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char line[512];
    struct tee_map map = {.start = 7};
    if (size >= sizeof line || memchr(data, 0, size) != NULL)
        return 0;
    memcpy(line, data, size);
    line[size] = '\0';
    if (tee_map_parse(line, &map) != SC_OK) {
        SC_ASSERT(map.start == 7); /* refused: untouched */
        return 0;
    }
    SC_ASSERT(map.name >= line && map.name <= line + size);
    SC_ASSERT(map.name[0] != ' ');
    return 0;
}
