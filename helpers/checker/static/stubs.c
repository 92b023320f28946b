/* stubs.c - GSSAPI and LDAP for the static build: they always fail.
 *
 * Debian's libpq.a is built with Kerberos and with LDAP service files, for which there are no
 * static libraries (GSSAPI) or only with a second TLS library behind them (LDAP). The checker
 * uses neither: dbping sets gssencmode=disable and never names a service file of LDAP. Should
 * libpq call one all the same, it gets a failure and reports it.
 *
 * Values are those of RFC 2744 (GSSAPI's C bindings) and of OpenLDAP's manual pages; the
 * prototypes are the smallest that fit the calling convention, as neither library's headers are
 * wanted in the build. */
#include <stddef.h>

#define GSS_FAILURE (13u << 16) /* GSS_S_FAILURE, RFC 2744 section 3.9.1 */
#define LDAP_FAILURE (-1)       /* LDAP_SERVER_DOWN */

void *GSS_C_NT_HOSTBASED_SERVICE = NULL;

#define GSS_STUB(name)       \
    unsigned int name(void); \
    unsigned int name(void)  \
    {                        \
        return GSS_FAILURE;  \
    }

GSS_STUB(gss_acquire_cred)
GSS_STUB(gss_delete_sec_context)
GSS_STUB(gss_display_status)
GSS_STUB(gss_import_name)
GSS_STUB(gss_init_sec_context)
GSS_STUB(gss_release_buffer)
GSS_STUB(gss_release_cred)
GSS_STUB(gss_release_name)
GSS_STUB(gss_unwrap)
GSS_STUB(gss_wrap)
GSS_STUB(gss_wrap_size_limit)

#define LDAP_STUB_NUMBER(name) \
    int name(void);            \
    int name(void)             \
    {                          \
        return LDAP_FAILURE;   \
    }

#define LDAP_STUB_POINTER(name) \
    void *name(void);           \
    void *name(void)            \
    {                           \
        return NULL;            \
    }

LDAP_STUB_NUMBER(ldap_count_entries)
LDAP_STUB_NUMBER(ldap_msgfree)
LDAP_STUB_NUMBER(ldap_result)
LDAP_STUB_NUMBER(ldap_search_st)
LDAP_STUB_NUMBER(ldap_set_option)
LDAP_STUB_NUMBER(ldap_simple_bind)
LDAP_STUB_NUMBER(ldap_unbind)
LDAP_STUB_POINTER(ldap_first_entry)
LDAP_STUB_POINTER(ldap_get_values_len)
LDAP_STUB_POINTER(ldap_init)

/* libpq prints what this returns, so it must be a text. */
const char *ldap_err2string(int error);
const char *ldap_err2string(int error)
{
    (void)error;
    return "this build has no LDAP";
}

void ldap_value_free_len(void *values);
void ldap_value_free_len(void *values)
{
    (void)values;
}
