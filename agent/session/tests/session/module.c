/* A PAM module that misbehaves as its argument says. Built by the tests; declarations by hand, for hosts without PAM's
 * headers. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct pam_handle;
struct message { int style; const char *text; };
struct response { char *text; int code; };
struct conversation {
    int (*talk)(int, const struct message **, struct response **, void *);
    void *data;
};
int pam_set_item(struct pam_handle *, int, const void *);
int pam_get_item(const struct pam_handle *, int, const void **);
int pam_putenv(struct pam_handle *, const char *);
int pam_get_authtok(struct pam_handle *, int, const char **, const char *);

enum { SUCCESS = 0, AUTH_ERR = 7, USER = 2, CONV = 5, AUTHTOK = 6 };

static void *forever(void *nothing)
{
    for (;;)
        pause();
    return nothing;
}

static int ask(struct pam_handle *pam, int style, const char *text)
{
    const struct conversation *conversation = NULL;
    const struct message message = { style, text };
    const struct message *list = &message;
    struct response *response = NULL;
    int code;
    if (pam_get_item(pam, CONV, (const void **)&conversation) != SUCCESS)
        return AUTH_ERR;
    code = conversation->talk(1, &list, &response, conversation->data);
    if (response) {
        free(response->text);
        free(response);
    }
    return code;
}

static int misbehave(struct pam_handle *pam, int argc, const char **argv)
{
    const char *how = argc > 0 ? argv[0] : "";
    const char *password = NULL;
    sigset_t all;
    pthread_t thread;
    if (!strcmp(how, "exit"))
        exit(0);
    if (!strcmp(how, "crash"))
        abort();
    if (!strcmp(how, "sleep"))
        forever(NULL);
    if (!strcmp(how, "user"))
        return pam_set_item(pam, USER, argc > 1 ? argv[1] : "root");
    if (!strcmp(how, "identity"))
        return seteuid(1) ? AUTH_ERR : SUCCESS;
    if (!strcmp(how, "attributes")) {
        umask(0);
        if (chdir("/tmp"))
            return AUTH_ERR;
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, NULL);
        signal(SIGCHLD, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        signal(SIGUSR1, SIG_IGN);
        return SUCCESS;
    }
    if (!strcmp(how, "environment")) {
        pam_putenv(pam, "LD_PRELOAD=/tmp/evil.so");
        pam_putenv(pam, "BASH_ENV=/tmp/evil");
        pam_putenv(pam, "PATH=/tmp");
        pam_putenv(pam, "JIT_GRANT_ID=forged");
        pam_putenv(pam, "TMPDIR=/tmp/of-the-module");
        return SUCCESS;
    }
    if (!strcmp(how, "fork"))
        return fork() < 0 ? AUTH_ERR : SUCCESS; /* both go on */
    if (!strcmp(how, "leave") && argc > 1) {
        pid_t child = fork(); /* a daemon, as some modules start one */
        if (child == 0) {
            closefrom(0);
            execlp("sleep", "sleep", argv[1], NULL);
            _exit(1);
        }
        return child < 0 ? AUTH_ERR : SUCCESS;
    }
    if (!strcmp(how, "thread"))
        return pthread_create(&thread, NULL, forever, NULL) ? AUTH_ERR : SUCCESS;
    if (!strcmp(how, "endless"))
        for (;;)
            ask(pam, 2, "again? ");
    if (!strcmp(how, "binary"))
        return ask(pam, 7, "\0\0\0\5x");
    if (!strcmp(how, "long")) {
        char *text = malloc(1 << 20);
        memset(text, 'x', 1 << 20);
        text[(1 << 20) - 1] = 0;
        int code = ask(pam, 4, text);
        free(text);
        return code;
    }
    if (!strcmp(how, "password"))
        return pam_get_authtok(pam, AUTHTOK, &password, NULL);
    return SUCCESS;
}

#define ENTRY(name) \
    int name(struct pam_handle *pam, int flags, int argc, const char **argv) \
    { (void)flags; return misbehave(pam, argc, argv); }

ENTRY(pam_sm_authenticate)
ENTRY(pam_sm_acct_mgmt)
ENTRY(pam_sm_open_session)
int pam_sm_setcred(struct pam_handle *pam, int flags, int argc, const char **argv)
{ (void)pam; (void)flags; (void)argc; (void)argv; return SUCCESS; }
int pam_sm_close_session(struct pam_handle *pam, int flags, int argc, const char **argv)
{
    (void)pam; (void)flags;
    /* Says that it was closed. */
    for (int at = 0; at + 1 < argc; at++)
        if (!strcmp(argv[at], "mark"))
            return mkdir(argv[at + 1], 0700) ? AUTH_ERR : SUCCESS;
    return SUCCESS;
}
