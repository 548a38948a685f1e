/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Is this a build with a sanitizer, whose run-time needs more memory and more system calls? */
#ifndef PND_INSPECT_SANITIZER_H
#define PND_INSPECT_SANITIZER_H

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define PND_SANITIZED 1
#endif
#endif
#if !defined(PND_SANITIZED) && (defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__))
#define PND_SANITIZED 1
#endif
#ifndef PND_SANITIZED
#define PND_SANITIZED 0
#endif

#endif
