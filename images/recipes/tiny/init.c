/*
 * The init of the tiny guest. It does what a cloud image does at first boot, and no more: loads
 * the drivers, reads the seed, reads the disk, brings the NIC up with the seed's address, makes
 * the call that the seed asks for.
 *
 * The kernel's command line makes it misbehave, so that tests can see each way of failing:
 *   tiny.mode=normal         all of the above (the default)
 *             no-network     leaves the NIC alone
 *             no-address     NIC up and a DHCP discover, no address
 *             no-call        network, and no call
 *             no-seed        takes tiny.address= instead of reading the seed
 *             poweroff | reboot | panic | hang
 *             install        the installer of a disc (below)
 *   tiny.address=A.B.C.D/N   the address of no-seed
 *   tiny.connect=A.B.C.D:PORT,...  tries to reach each by TCP and UDP, and says what came of it
 *
 * As an installer it stands in for a large one, says so in words of Debian's, and copies the file
 * /disk.bin of its disc to the disk. It does so where a preseed in the initramfs tells it; else it
 * waits at a question. The preseed may ask for more:
 *   tiny/fail boolean true     an error in place of a copy
 *   tiny/blank boolean true    the copy without its first sector
 *   tiny/stop boolean true     stops in the middle, without a word
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static char cmdline[4096], network_config[8192], user_data[16384], meta_data[4096];
static char mode[32] = "normal";
static char nic[IFNAMSIZ];

static void say(const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    dprintf(1, "tiny: %s\n", line);
}

static size_t slurp(const char *path, char *into, size_t size)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = 0, got;
    if (fd < 0)
        return 0;
    while ((size_t)n < size - 1 && (got = read(fd, into + n, size - 1 - n)) > 0)
        n += got;
    into[n] = 0;
    close(fd);
    return n;
}

static void pause_ms(long ms)
{
    struct timespec span = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&span, NULL);
}

/* The value of key= on the kernel's command line; 0 where it is not there. */
static int option(const char *key, char *into, size_t size)
{
    const char *at = strstr(cmdline, key);
    if (!at)
        return 0;
    at += strlen(key);
    snprintf(into, size, "%.*s", (int)strcspn(at, " \n"), at);
    return 1;
}

/* The text after `key` in YAML, without quotes, brackets, list dashes and blanks. */
static int value(const char *yaml, const char *key, char *into, size_t size)
{
    const char *at = strstr(yaml, key);
    if (!at)
        return 0;
    at += strlen(key);
    at += strspn(at, " \t\r\n-[\"'");
    snprintf(into, size, "%.*s", (int)strcspn(at, " \t\r\n,]\"'"), at);
    return into[0] != 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_modules(void)
{
    struct dirent **names;
    char path[300];
    int n = scandir("/modules", &names, NULL, by_name);
    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/modules/%s", names[i]->d_name);
        int fd = open(path, O_RDONLY);
        if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
            say("module %s: %s", names[i]->d_name, strerror(errno));
        close(fd);
    }
}

/* Disks are found in the background: wait for one, ten seconds at most. */
static int wait_for(const char *path)
{
    for (int i = 0; i < 200; i++) {
        if (!access(path, F_OK))
            return 1;
        pause_ms(50);
    }
    return 0;
}

static void read_disk(void)
{
    static char block[1 << 20];
    if (!wait_for("/dev/sda")) {
        say("no disk");
        return;
    }
    int fd = open("/dev/sda", O_RDONLY);
    ssize_t n = pread(fd, block, sizeof block, 1 << 20);
    say("disk sda, %zd bytes read", n);
    close(fd);
}

static int read_seed(void)
{
    if (!wait_for("/dev/sr0") || mount("/dev/sr0", "/seed", "iso9660", MS_RDONLY, NULL)) {
        say("no seed: %s", strerror(errno));
        return 0;
    }
    slurp("/seed/network-config", network_config, sizeof network_config);
    slurp("/seed/user-data", user_data, sizeof user_data);
    slurp("/seed/meta-data", meta_data, sizeof meta_data);
    umount("/seed");
    return network_config[0] && meta_data[0];
}

/* The name of the NIC with this MAC, or of the first one where mac is empty. */
static int find_nic(const char *mac)
{
    for (int round = 0; round < 100; round++) {
        DIR *folder = opendir("/sys/class/net");
        struct dirent *entry;
        while (folder && (entry = readdir(folder))) {
            char path[300], address[32];
            if (entry->d_name[0] == '.' || !strcmp(entry->d_name, "lo"))
                continue;
            snprintf(path, sizeof path, "/sys/class/net/%s/address", entry->d_name);
            if (!slurp(path, address, sizeof address) || strncasecmp(address, mac, strlen(mac)))
                continue;
            strncpy(nic, entry->d_name, sizeof nic - 1);
            closedir(folder);
            return 1;
        }
        if (folder)
            closedir(folder);
        pause_ms(50);
    }
    return 0;
}

static void set_address(int fd, unsigned long request, in_addr_t address)
{
    struct ifreq request_data = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&request_data.ifr_addr;
    memcpy(request_data.ifr_name, nic, sizeof nic);
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = address;
    if (ioctl(fd, request, &request_data))
        say("%s: ioctl %lx: %s", nic, request, strerror(errno));
}

static void link_up(int fd)
{
    struct ifreq request = {0};
    memcpy(request.ifr_name, nic, sizeof nic);
    ioctl(fd, SIOCGIFFLAGS, &request);
    request.ifr_flags |= IFF_UP | IFF_RUNNING;
    if (ioctl(fd, SIOCSIFFLAGS, &request))
        say("%s: link: %s", nic, strerror(errno));
}

/* `address` is A.B.C.D/N, `router` may be empty. */
static void configure(const char *address, const char *router)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0), bits = 24;
    char host[32];
    snprintf(host, sizeof host, "%.*s", (int)strcspn(address, "/"), address);
    sscanf(address, "%*[^/]/%d", &bits);
    set_address(fd, SIOCSIFADDR, inet_addr(host));
    set_address(fd, SIOCSIFNETMASK, htonl(bits ? ~0u << (32 - bits) : 0));
    link_up(fd);
    if (router[0]) {
        struct rtentry route = {0};
        struct sockaddr_in *gateway = (struct sockaddr_in *)&route.rt_gateway;
        ((struct sockaddr_in *)&route.rt_dst)->sin_family = AF_INET;
        ((struct sockaddr_in *)&route.rt_genmask)->sin_family = AF_INET;
        gateway->sin_family = AF_INET;
        gateway->sin_addr.s_addr = inet_addr(router);
        route.rt_flags = RTF_UP | RTF_GATEWAY;
        if (ioctl(fd, SIOCADDRT, &route))
            say("route: %s", strerror(errno));
    }
    close(fd);
    say("network %s %s", nic, address);
}

static void network_from_seed(void)
{
    char mac[32] = "", address[64] = "", router[64] = "";
    value(network_config, "macaddress:", mac, sizeof mac);
    value(network_config, "addresses:", address, sizeof address);
    value(network_config, "via:", router, sizeof router);
    if (!find_nic(mac))
        say("no NIC with MAC %s", mac);
    else if (address[0])
        configure(address, router);
}

static void send_discover(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
    unsigned char message[244] = {1, 1, 6, 0, 1, 2, 3, 4};
    static const unsigned char options[] = {0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255};
    struct sockaddr_in from = {AF_INET, htons(68), {INADDR_ANY}, {0}};
    struct sockaddr_in to = {AF_INET, htons(67), {INADDR_BROADCAST}, {0}};
    link_up(fd);
    memcpy(message + 236, options, sizeof options);
    setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, nic, strlen(nic));
    bind(fd, (struct sockaddr *)&from, sizeof from);
    pause_ms(500);
    if (sendto(fd, message, sizeof message, 0, (struct sockaddr *)&to, sizeof to) < 0)
        say("discover: %s", strerror(errno));
    close(fd);
}

/* A connected socket, or -1 with errno. */
static int dial(const char *host, int port)
{
    struct sockaddr_in to = {AF_INET, htons(port), {inet_addr(host)}, {0}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), error = 0;
    socklen_t size = sizeof error;
    struct pollfd wait = {fd, POLLOUT, 0};
    if (connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)
        error = errno;
    else if (poll(&wait, 1, 3000) == 0)
        error = ETIMEDOUT;
    else
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (!error)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

static void call_home(void)
{
    char url[512], host[128] = "", path[256] = "/", body[256], request[1024], id[64] = "";
    int port = 80;
    const char *section = strstr(user_data, "phone_home:");
    if (!section || !value(section, "url:", url, sizeof url))
        return;
    if (sscanf(url, "http://%127[^:/]:%d%255s", host, &port, path) < 2)
        sscanf(url, "http://%127[^/]%255s", host, path);
    value(meta_data, "instance-id:", id, sizeof id);
    snprintf(body, sizeof body, "instance_id=%s&hostname=tiny&fqdn=tiny", id);
    snprintf(request, sizeof request,
             "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\n"
             "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
             path, host, strlen(body), body);
    for (int tries = 0; tries < 10; tries++) {
        int fd = dial(host, port);
        if (fd >= 0) {
            struct pollfd wait = {fd, POLLIN, 0};
            char answer[64] = "";
            if (write(fd, request, strlen(request)) > 0 && poll(&wait, 1, 3000) > 0 &&
                read(fd, answer, sizeof answer - 1) > 0) {
                say("called home: %.15s", answer);
                close(fd);
                return;
            }
            close(fd);
        }
        pause_ms(300);
    }
    say("call failed: %s", strerror(errno));
}

static void try_targets(void)
{
    char targets[1024], *rest = targets, *target;
    if (!option("tiny.connect=", targets, sizeof targets))
        return;
    while ((target = strsep(&rest, ","))) {
        char host[64] = "";
        int port = 0, udp;
        sscanf(target, "%63[^:]:%d", host, &port);
        struct sockaddr_in to = {AF_INET, htons(port), {inet_addr(host)}, {0}};
        udp = socket(AF_INET, SOCK_DGRAM, 0);
        sendto(udp, "tiny", 4, 0, (struct sockaddr *)&to, sizeof to);
        int fd = dial(host, port);
        struct pollfd wait = {fd, POLLIN, 0};
        char answer[64];
        if (fd < 0)
            say("connect %s %s", target, strerror(errno));
        else if (poll(&wait, 1, 2000) == 0)
            say("connect %s open, mute", target);
        else
            say("connect %s open, %zd bytes", target, read(fd, answer, sizeof answer));
        if (fd >= 0)
            close(fd);
        close(udp);
    }
}

/* The disc of the installer: the drive that has the file to copy. */
static int open_source(void)
{
    static const char *drives[] = {"/dev/sr0", "/dev/sr1"};
    for (int i = 0; i < 2; i++) {
        if (!wait_for(drives[i]) || mount(drives[i], "/seed", "iso9660", MS_RDONLY, NULL))
            continue;
        int fd = open("/seed/disk.bin", O_RDONLY);
        if (fd >= 0)
            return fd;
        umount("/seed");
    }
    return -1;
}

static int copy_disk(int blank, int stop)
{
    static char block[1 << 20];
    int from = open_source(), to = open("/dev/sda", O_WRONLY);
    ssize_t n, copied = 0;
    if (from < 0 || to < 0)
        return 0;
    while ((n = read(from, block, sizeof block)) > 0) {
        if (blank && !copied)
            memset(block, 0, 512);
        if (write(to, block, n) != n)
            return 0;
        copied += n;
        dprintf(1, "Installing the base system ... %zd MiB\n", copied >> 20);
        if (stop && copied >= 8 << 20)
            for (;;)
                pause();
    }
    fsync(to);
    return copied > 0;
}

static void install(void)
{
    static char answers[16384];
    int told = slurp("/preseed.cfg", answers, sizeof answers) > 0;
    dprintf(1, "Debian installer main menu (a stand-in: tiny)\n");
    read_disk();
    if (find_nic(""))
        send_discover();
    if (!told) {
        dprintf(1, "Select a language\nPrompt: '?' for help> ");
        return;
    }
    if (strstr(answers, "tiny/fail boolean true")) {
        dprintf(1, "Failed to partition the selected disk\n");
        return;
    }
    if (!copy_disk(strstr(answers, "tiny/blank boolean true") != NULL,
                   strstr(answers, "tiny/stop boolean true") != NULL)) {
        dprintf(1, "Installation step failed\n");
        return;
    }
    dprintf(1, "Finishing the installation\n");
    sync();
    reboot(RB_POWER_OFF);
}

int main(void)
{
    char address[64];
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sysfs", "/sys", "sysfs", 0, NULL);
    int console = open("/dev/console", O_RDWR);
    for (int fd = 0; fd < 3; fd++)
        dup2(console, fd);
    slurp("/proc/cmdline", cmdline, sizeof cmdline);
    option("tiny.mode=", mode, sizeof mode);
    say("mode %s", mode);
    load_modules();
    if (!access("/dev/tpm0", F_OK))
        say("there is /dev/tpm0");
    if (!strcmp(mode, "panic"))
        return 1;
    if (!strcmp(mode, "poweroff"))
        reboot(RB_POWER_OFF);
    if (!strcmp(mode, "reboot"))
        reboot(RB_AUTOBOOT);
    if (!strcmp(mode, "install") || !access("/preseed.cfg", F_OK)) {
        install();
        for (;;)
            pause();
    }
    /* As systemd greets: from here on it is the system, and no longer an initramfs. */
    dprintf(1, "Welcome to tiny!\n");
    read_disk();
    if (!strcmp(mode, "no-seed") && option("tiny.address=", address, sizeof address)) {
        if (find_nic(""))
            configure(address, "");
    } else if (!strcmp(mode, "no-address")) {
        if (find_nic(""))
            send_discover();
    } else if (strcmp(mode, "no-network") && strcmp(mode, "hang") && read_seed()) {
        network_from_seed();
        if (strcmp(mode, "no-call"))
            call_home();
        try_targets();
    }
    say("ready");
    for (;;)
        pause();
}
