/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * readline's interface is variables; Swift takes functions. Nothing here keeps a state. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <wchar.h>
#include <readline/readline.h>
#include <readline/history.h>

typedef char **(*weir_attempt)(const char *, int, int);
typedef void (*weir_display)(char **, int, int);
typedef int (*weir_hook)(void);
typedef void (*weir_redisplay)(void);

static inline void weir_rl_start(
    const char *name, weir_redisplay redisplay, weir_attempt attempt, weir_display display,
    weir_hook event, weir_hook signalled)
{
    rl_readline_name = name;
    rl_redisplay_function = redisplay;
    rl_attempted_completion_function = attempt;
    rl_completion_display_matches_hook = display;
    rl_event_hook = event;
    rl_signal_event_hook = signalled;
    rl_completer_word_break_characters = " \t\n{}()[]=,;|<>";
    rl_completer_quote_characters = "\"";
    rl_catch_signals = 1;
}
static inline const char *weir_rl_line(void) { return rl_line_buffer; }
static inline int weir_rl_point(void) { return rl_point; }
static inline int weir_rl_end(void) { return rl_end; }
static inline const char *weir_rl_shown_prompt(void) {
    return rl_display_prompt ? rl_display_prompt : "";
}
static inline int weir_rl_is_searching(void) {
    return (rl_readline_state
        & (RL_STATE_ISEARCH | RL_STATE_NSEARCH | RL_STATE_SEARCH | RL_STATE_NUMERICARG
            | RL_STATE_VIMOTION)) != 0;
}
static inline int weir_rl_is_done(void) {
    return rl_done || (rl_readline_state & RL_STATE_DONE) != 0;
}
static inline void weir_rl_no_file_completion(void) { rl_attempted_completion_over = 1; }
static inline void weir_rl_append_nothing(void) { rl_completion_append_character = '\0'; }
static inline void weir_rl_append_space(void) { rl_completion_append_character = ' '; }
static inline void weir_rl_drop_line(void) {
    rl_replace_line("", 0);
    rl_done = 1;
}
static inline void weir_rl_columns(int *columns) {
    int rows = 0;
    rl_get_screen_size(&rows, columns);
}
static inline int weir_rl_scrolls_sideways(void) {
    const char *value = rl_variable_value("horizontal-scroll-mode");
    return value && strcmp(value, "on") == 0;
}
static inline int weir_rl_echoes(void) { return rl_outstream && rl_instream; }
static inline void weir_rl_put(const char *text) {
    fputs(text, rl_outstream ? rl_outstream : stdout);
    fflush(rl_outstream ? rl_outstream : stdout);
}
/* Declared by <wchar.h> for X/Open programs only. */
static inline int weir_width(unsigned int scalar) {
    extern int wcwidth(wchar_t);
    return wcwidth((wchar_t)scalar);
}
