/* SPDX-License-Identifier: Apache-2.0 */
#include "tree.h"

#include <string.h>

#include "regf.h"

#define ATTR_PROGRAM WCOW_ATTR_ARCHIVE
#define ATTR_SYSTEM  (WCOW_ATTR_ARCHIVE | WCOW_ATTR_HIDDEN | WCOW_ATTR_SYSTEM)
#define ATTR_JUNCTION                                                                              \
    (WCOW_ATTR_DIRECTORY | WCOW_ATTR_REPARSE | WCOW_ATTR_HIDDEN | WCOW_ATTR_SYSTEM |               \
     WCOW_ATTR_NOT_INDEXED)

#define DIR_(path_, sd_)                                                                           \
    {                                                                                              \
        .type = WCOW_ENTRY_DIR, .path = (path_), .attributes = WCOW_ATTR_DIRECTORY, .sd = (sd_)    \
    }
#define TEXT(path_, attr_, sd_, text_)                                                             \
    {                                                                                              \
        .type = WCOW_ENTRY_FILE, .path = (path_), .attributes = (attr_), .sd = (sd_),              \
        .text = (text_)                                                                            \
    }
#define PROGRAM(path_, size_, hint_)                                                               \
    {                                                                                              \
        .type = WCOW_ENTRY_FILE, .path = (path_), .attributes = ATTR_PROGRAM, .sd = SD_SYSTEM,     \
        .data = DATA_PROGRAM, .size_bytes = (size_), .catalog_hint = (hint_)                       \
    }
#define HIVE(path_, sd_, name_)                                                                    \
    {                                                                                              \
        .type = WCOW_ENTRY_FILE, .path = (path_), .attributes = ATTR_PROGRAM, .sd = (sd_),         \
        .data = DATA_HIVE, .text = (name_)                                                         \
    }
#define JUNCTION(path_, target_)                                                                   \
    {                                                                                              \
        .type = WCOW_ENTRY_REPARSE, .path = (path_), .attributes = ATTR_JUNCTION, .sd = SD_DENY,   \
        .text = (target_), .junction = true                                                        \
    }
#define STREAM(path_, text_)                                                                       \
    {                                                                                              \
        .type = WCOW_ENTRY_STREAM, .path = (path_), .text = (text_)                                \
    }
#define HARDLINK(path_, target_)                                                                   \
    {                                                                                              \
        .type = WCOW_ENTRY_HARDLINK, .path = (path_), .attributes = ATTR_PROGRAM,                  \
        .text = (target_)                                                                          \
    }
#define WHITEOUT(path_)                                                                            \
    {                                                                                              \
        .type = WCOW_ENTRY_WHITEOUT, .path = (path_)                                               \
    }

/* Parents before children; mklayer adds component folders below Files/Windows/WinSxS. */
const struct tree_item tree_base[] = {
    DIR_("Files", SD_ROOT),
    JUNCTION("Files/Documents and Settings", "C:\\Users"),
    TEXT("Files/License.txt", WCOW_ATTR_ARCHIVE, SD_INHERIT,
         "This image was made by wcow for tests and demonstrations. It holds no Microsoft "
         "software\r\nand starts on no Windows host.\r\n"),
    DIR_("Files/Program Files", SD_SYSTEM),
    DIR_("Files/Program Files/Common Files", SD_SYSTEM),
    DIR_("Files/ProgramData", SD_INHERIT),
    DIR_("Files/ProgramData/Microsoft", SD_INHERIT),
    DIR_("Files/Users", SD_INHERIT),
    JUNCTION("Files/Users/All Users", "C:\\ProgramData"),
    DIR_("Files/Users/ContainerAdministrator", SD_USERS),
    HIVE("Files/Users/ContainerAdministrator/NTUSER.DAT", SD_USERS, "empty"),
    DIR_("Files/Users/ContainerUser", SD_USERS),
    HIVE("Files/Users/ContainerUser/NTUSER.DAT", SD_USERS, "empty"),
    DIR_("Files/Users/Default", SD_INHERIT),
    DIR_("Files/Users/Default/AppData", SD_INHERIT),
    DIR_("Files/Users/Default/AppData/Local", SD_INHERIT),
    JUNCTION("Files/Users/Default/Application Data", "C:\\Users\\Default\\AppData\\Roaming"),
    HIVE("Files/Users/Default/NTUSER.DAT", SD_INHERIT, "empty"),
    JUNCTION("Files/Users/Default User", "C:\\Users\\Default"),
    DIR_("Files/Users/Public", SD_INHERIT),
    TEXT("Files/Users/Public/desktop.ini", ATTR_SYSTEM, SD_INHERIT, "[.ShellClassInfo]\r\n"),
    DIR_("Files/Windows", SD_SYSTEM),
    DIR_("Files/Windows/Fonts", SD_SYSTEM),
    TEXT("Files/Windows/Fonts/desktop.ini", ATTR_SYSTEM, SD_SYSTEM, "[.ShellClassInfo]\r\n"),
    DIR_("Files/Windows/System32", SD_SYSTEM),
    DIR_("Files/Windows/System32/CatRoot", SD_SYSTEM),
    PROGRAM("Files/Windows/System32/cmd.exe", 289792, true),
    DIR_("Files/Windows/System32/config", SD_SYSTEM),
    HIVE("Files/Windows/System32/config/DEFAULT", SD_INHERIT, "empty"),
    HIVE("Files/Windows/System32/config/SAM", SD_INHERIT, "empty"),
    HIVE("Files/Windows/System32/config/SECURITY", SD_INHERIT, "empty"),
    HIVE("Files/Windows/System32/config/SOFTWARE", SD_INHERIT, "SOFTWARE"),
    HIVE("Files/Windows/System32/config/SYSTEM", SD_INHERIT, "SYSTEM"),
    PROGRAM("Files/Windows/System32/curl.exe", 419840, true),
    DIR_("Files/Windows/System32/drivers", SD_SYSTEM),
    DIR_("Files/Windows/System32/drivers/etc", SD_SYSTEM),
    TEXT("Files/Windows/System32/drivers/etc/hosts", WCOW_ATTR_ARCHIVE, SD_INHERIT,
         "127.0.0.1 localhost\r\n::1 localhost\r\n"),
    PROGRAM("Files/Windows/System32/drivers/ntfs.sys", 204800, true),
    DIR_("Files/Windows/System32/en-US", SD_SYSTEM),
    PROGRAM("Files/Windows/System32/en-US/cmd.exe.mui", 36864, false),
    PROGRAM("Files/Windows/System32/kernel32.dll", 777216, true),
    PROGRAM("Files/Windows/System32/KernelBase.dll", 1048576, true),
    PROGRAM("Files/Windows/System32/ntdll.dll", 983040, true),
    PROGRAM("Files/Windows/System32/oldtool.exe", 16384, false),
    TEXT("Files/Windows/System32/readme.txt", WCOW_ATTR_ARCHIVE | WCOW_ATTR_READONLY, SD_SYSTEM,
         "A file with a stream.\r\n"),
    STREAM("Files/Windows/System32/readme.txt:Zone.Identifier", "[ZoneTransfer]\r\nZoneId=3\r\n"),
    PROGRAM("Files/Windows/System32/sort.exe", 32768, true),
    PROGRAM("Files/Windows/System32/xcopy.exe", 49152, true),
    DIR_("Files/Windows/SysWOW64", SD_SYSTEM),
    DIR_("Files/Windows/Temp", SD_USERS),
    DIR_("Files/Windows/WinSxS", SD_SYSTEM),
    HARDLINK("Files/Windows/WinSxS/cmd.exe", "Files/Windows/System32/cmd.exe"),
    HARDLINK("Files/Windows/WinSxS/ntdll.dll", "Files/Windows/System32/ntdll.dll"),
    TEXT("Files/Windows/\xC3\x9C"
         "ber die L\xC3\xA4nder.txt",
         WCOW_ATTR_ARCHIVE, SD_INHERIT, "A name beyond ASCII.\r\n"),
    DIR_("UtilityVM", SD_INHERIT),
    DIR_("UtilityVM/Files", SD_ROOT),
    DIR_("UtilityVM/Files/EFI", SD_INHERIT),
    DIR_("UtilityVM/Files/EFI/Microsoft", SD_INHERIT),
    DIR_("UtilityVM/Files/EFI/Microsoft/Boot", SD_INHERIT),
    HIVE("UtilityVM/Files/EFI/Microsoft/Boot/BCD", SD_INHERIT, "empty"),
    {.path = NULL},
};

const struct tree_item tree_update[] = {
    DIR_("Files", SD_NONE),
    DIR_("Files/Windows", SD_SYSTEM),
    DIR_("Files/Windows/System32", SD_SYSTEM),
    WHITEOUT("Files/Windows/System32/.wh.oldtool.exe"),
    PROGRAM("Files/Windows/System32/cmd.exe", 290816, true),
    PROGRAM("Files/Windows/System32/newtool.exe", 20480, false),
    DIR_("Files/Windows/Temp", SD_USERS),
    DIR_("Hives", SD_NONE),
    HIVE("Hives/DefaultUser_Delta", SD_NONE, "empty"),
    HIVE("Hives/Sam_Delta", SD_NONE, "empty"),
    HIVE("Hives/Security_Delta", SD_NONE, "empty"),
    HIVE("Hives/Software_Delta", SD_NONE, "empty"),
    HIVE("Hives/System_Delta", SD_NONE, "empty"),
    {.path = NULL},
};

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define KEYS(a)   .keys = (a), .n_keys = COUNT(a)
#define VALUES(a) .values = (a), .n_values = COUNT(a)

static const struct regf_value environment_values[] = {
    {.name = "ComSpec", .type = REGF_EXPAND_SZ, .text = "%SystemRoot%\\system32\\cmd.exe"},
    {.name = "OS", .type = REGF_SZ, .text = "Windows_NT"},
    {.name = "Path", .type = REGF_EXPAND_SZ, .text = "%SystemRoot%\\system32;%SystemRoot%"},
    {.name = "PROCESSOR_ARCHITECTURE", .type = REGF_SZ, .text = "AMD64"},
    {.name = "TEMP", .type = REGF_EXPAND_SZ, .text = "%SystemRoot%\\TEMP"},
    {.name = "windir", .type = REGF_EXPAND_SZ, .text = "%SystemRoot%"},
};
static const struct regf_key session_manager[] = {
    {.name = "Environment", VALUES(environment_values)},
};
static const struct regf_key control[] = {
    {.name = "Session Manager", KEYS(session_manager)},
};
static const struct regf_key control_set[] = {
    {.name = "Control", KEYS(control)},
};
static const struct regf_value select_values[] = {
    {.name = "Current", .type = REGF_DWORD, .number = 1},
    {.name = "Default", .type = REGF_DWORD, .number = 1},
};
static const struct regf_key system_keys[] = {
    {.name = "ControlSet001", KEYS(control_set)},
    {.name = "Select", VALUES(select_values)},
};
static const struct regf_value version_values[] = {
    {.name = "CurrentBuild", .type = REGF_SZ, .text = "20348"},
    {.name = "ProductName", .type = REGF_SZ, .text = "wcow sample image"},
    {.name = "SystemRoot", .type = REGF_SZ, .text = "C:\\Windows"},
};
static const struct regf_key windows_nt[] = {
    {.name = "CurrentVersion", VALUES(version_values)},
};
static const struct regf_key microsoft[] = {
    {.name = "Windows NT", KEYS(windows_nt)},
};
static const struct regf_key software_keys[] = {
    {.name = "Microsoft", KEYS(microsoft)},
};

int tree_hive(const char *name, struct wcow_buf *out, struct wcow_error *err)
{
    struct regf_key root = {.name = "ROOT"};
    if (strcmp(name, "SYSTEM") == 0) {
        root.keys = system_keys;
        root.n_keys = COUNT(system_keys);
    } else if (strcmp(name, "SOFTWARE") == 0) {
        root.keys = software_keys;
        root.n_keys = COUNT(software_keys);
    }
    return regf_write(&root, out, err);
}

#define TRUSTED_INSTALLER "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"

const char *tree_sddl(enum tree_sd sd, bool is_dir)
{
    switch (sd) {
    case SD_NONE:
        return NULL;
    case SD_ROOT:
        return "O:" TRUSTED_INSTALLER "G:" TRUSTED_INSTALLER
               "D:P(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;OICIIO;GA;;;CO)(A;OICI;0x1200a9;;;BU)"
               "(A;CI;LC;;;BU)(A;CIIO;DC;;;BU)(A;;0x1200a9;;;WD)";
    case SD_SYSTEM:
        return is_dir ? "O:" TRUSTED_INSTALLER "G:" TRUSTED_INSTALLER
                        "D:PAI(A;;FA;;;" TRUSTED_INSTALLER ")(A;CIIO;GA;;;" TRUSTED_INSTALLER ")"
                        "(A;;0x1301bf;;;SY)(A;OICIIO;GA;;;SY)(A;;0x1301bf;;;BA)(A;OICIIO;GA;;;BA)"
                        "(A;;0x1200a9;;;BU)(A;OICIIO;GXGR;;;BU)(A;OICIIO;GA;;;CO)"
                      : "O:" TRUSTED_INSTALLER "G:" TRUSTED_INSTALLER
                        "D:PAI(A;;FA;;;" TRUSTED_INSTALLER ")(A;;0x1200a9;;;BA)(A;;0x1200a9;;;SY)"
                        "(A;;0x1200a9;;;BU)";
    case SD_USERS:
        return is_dir ? "O:SYG:SYD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;S-1-5-93-2-1)"
                        "(A;OICI;FA;;;S-1-5-93-2-2)"
                      : "O:SYG:SYD:AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)(A;ID;FA;;;S-1-5-93-2-1)"
                        "(A;ID;FA;;;S-1-5-93-2-2)";
    case SD_DENY:
        return "O:SYG:SYD:P(D;;CC;;;WD)(A;;0x1200a9;;;WD)(A;;FA;;;SY)(A;;FA;;;BA)";
    case SD_INHERIT:
        break;
    }
    return is_dir ? "O:BAG:SYD:AI(A;OICIID;FA;;;BA)(A;OICIID;FA;;;SY)(A;OICIID;0x1200a9;;;BU)"
                  : "O:BAG:SYD:AI(A;ID;FA;;;BA)(A;ID;FA;;;SY)(A;ID;0x1200a9;;;BU)";
}
