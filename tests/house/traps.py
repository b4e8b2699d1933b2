"""What receivers of webhooks got wrong before, and the tests that hold that this one does not.

Each line is a mistake that was made in public, and each test is named by its file below ``tests`` and its own name.
`tests.house.test_traps` holds that they exist. What is not done here as others would do it has its reason beside it.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Mistakes about signatures and their senders.
SCHEMES: Mapping[str, tuple[str, ...]] = {
    "the path is salted with the secret, so that rotating one changes the other": (
        "control/test_rotation.py::test_a_rotation_changes_neither_url_nor_route",
        "control/test_rotation.py::test_rotating_the_secret_and_the_url_are_two_things",
        "control/test_life.py::test_the_path_is_160_random_bits_and_the_secret_256_others",
    ),
    "secrets are compared with an operator": (
        "scheme/test_compare.py::test_no_secret_is_compared_with_an_operator",
        "scheme/test_compare.py::test_every_match_of_a_key_uses_compare_digest",
    ),
    "a body is cut at the limit, so that a fault of size looks like a forgery": (
        "receiver/test_status_table.py::test_a_body_over_the_limit_gets_413_whatever_its_type",
        "receiver/test_status_table.py::test_a_chunked_body_over_the_limit_gets_413",
    ),
    "forms pass the limit, or are written anew before they are verified": (
        "receiver/test_status_table.py::test_a_body_over_the_limit_gets_413_whatever_its_type",
        "scheme/test_traps.py::test_forms_are_signed_decoded_and_forwarded_raw",
        "receiver/test_forwarding.py::test_the_target_gets_the_bytes_that_were_signed",
    ),
    "a header that is present counts as verified": (
        "scheme/test_traps.py::test_an_unsigned_call_is_refused_whatever_else_it_carries",
    ),
    "a token is taken whoever it was made for": (
        "scheme/test_jwt.py::test_a_genuine_token_about_somebody_else_is_refused",
        "scheme/test_token_rules.py::test_rules_that_let_too_many_in_are_no_rules",
        "scheme/test_sns.py::test_a_message_of_somebody_elses_topic_is_refused_however_genuine",
    ),
    "repetitions are looked up before authentication": (
        "receiver/test_replay.py::test_nothing_is_looked_up_for_a_call_that_is_not_authentic",
    ),
    "calls are routed by what no signature covers": (
        "scheme/test_traps.py::test_routing_on_what_no_signature_covers_can_be_told",
        "receiver/test_replay.py::test_an_id_that_is_not_signed_is_not_believed_unasked",
    ),
    "a signature of part of the body counts for all of it": (
        "scheme/test_traps.py::test_a_signature_that_can_be_moved_to_another_body_says_so",
        "model/test_parse_auth.py::test_a_signature_without_the_body_has_to_be_said",
        "cli/test_providers.py::test_a_sender_that_does_not_sign_the_body_is_told_as_such",
    ),
    "credentials are passed on or written into logs": (
        "scheme/test_traps.py::test_credentials_do_not_reach_the_target",
        "receiver/test_forwarding.py::test_hop_by_hop_forgeable_and_credential_headers_stay_here",
        "receiver/test_process.py::test_a_process_says_nothing_secret",
    ),
    "the API server is asked for a secret with every call": (
        "cluster/test_operator_outage.py::test_without_operator_and_without_api_server_calls_are_judged_as_before",
        "receiver/test_kube_source.py::test_an_outage_of_the_api_server_leaves_the_table_in_force",
        "receiver/test_private.py::test_digests_name_the_bindings_in_force",
    ),
    "a signed URL is rebuilt from the Host header": (
        "scheme/test_traps.py::test_the_declared_url_counts_and_never_the_host_header",
        "scheme/test_traps.py::test_an_unknown_url_is_a_fault_of_configuration_and_no_forgery",
    ),
    "whether a secret is encoded is guessed from its looks": (
        "scheme/test_traps.py::test_a_secret_that_looks_encoded_is_used_as_it_stands",
        "scheme/test_traps.py::test_a_secret_that_is_encoded_is_decoded",
    ),
    "case matters where it must not, or does not where it must": (
        "scheme/test_traps.py::test_the_prefix_is_case_sensitive_and_required",
        "scheme/test_traps.py::test_hex_digits_have_no_case_and_header_names_neither",
    ),
    "one broken key disables the others, or no key means that everybody may call": (
        "scheme/test_traps.py::test_one_malformed_key_does_not_disable_the_others",
        "scheme/test_traps.py::test_an_empty_list_of_secrets_does_not_mean_allow",
        "scheme/test_traps.py::test_an_empty_secret_does_not_mean_allow",
        "control/test_references.py::test_one_unusable_reference_never_disables_the_others",
    ),
    "what a handshake repeats is run by browsers, or its secret replaces the key": (
        "scheme/test_handshake.py::test_what_a_browser_or_a_header_could_misread_is_not_repeated",
        "scheme/test_handshake.py::test_every_answer_is_marked_so_that_no_browser_runs_it",
        "scheme/test_handshake.py::test_a_hook_secret_is_given_back_in_its_own_header",
        "receiver/test_handshake.py::test_other_methods_are_refused_as_ever_where_no_handshake_is_declared",
    ),
    "a generated secret has a form that its sender does not take": (
        "scheme/test_presets.py::test_header_and_form_follow_the_preset",
        "scheme/test_presets.py::test_generated_secrets_are_usable_by_the_scheme_that_asked",
        "control/test_rotation.py::test_a_provider_that_needs_another_form_of_secret_waits_for_a_rotation",
    ),
    "labels are copied to children, and GitOps tools prune them": (
        "control/test_connection.py::test_it_inherits_no_labels_or_annotations_of_the_endpoint",
        "cluster/test_operator_manners.py::test_children_inherit_neither_labels_nor_annotations",
    ),
    "a preset that nothing proves is called verified": (
        "scheme/test_vectors.py::test_a_preset_is_called_verified_exactly_when_its_sender_publishes_a_vector",
        "scheme/test_vectors.py::test_every_preset_has_a_second_implementation",
        "scheme/test_presets.py::test_an_invalid_row_of_the_platform_names_its_field",
    ),
}

#: Classes of advisories about receivers.
RECEIVER: Mapping[str, tuple[str, ...]] = {
    # Unknown paths do no dummy work: see hookgate.receiver.auth for why it would hide nothing.
    "comparisons whose time tells": (
        "scheme/test_compare.py::test_no_secret_is_compared_with_an_operator",
        "receiver/test_status_table.py::test_every_bad_credential_gets_the_same_bytes",
        "receiver/test_status_table.py::test_every_unknown_path_gets_the_same_bytes",
    ),
    "an empty or missing secret leaves the endpoint open": (
        "scheme/test_traps.py::test_an_empty_secret_does_not_mean_allow",
        "scheme/test_traps.py::test_an_empty_token_never_matches",
        "control/test_references.py::test_an_empty_value_is_refused",
        "control/test_references.py::test_one_trailing_newline_is_taken_off",
        "control/test_references.py::test_a_missing_key_is_named_and_ends_when_it_appears",
        "control/test_references.py::test_a_revoked_reference_leaves_no_key",
        "receiver/test_status_table.py::test_without_a_usable_key_the_endpoint_is_unavailable",
    ),
    "one way in has no check": (
        "receiver/test_status_table.py::test_another_method_on_a_known_path_gets_405",
        "receiver/test_handshake.py::test_a_question_that_needs_a_credential_is_refused_without_it",
        "receiver/test_fuzz.py::test_whatever_is_sent_gets_a_verdict",
        "receiver/test_private.py::test_endpoints_are_not_served_on_the_private_port",
    ),
    "an identity is not bound to the endpoint": (
        "scheme/test_jwt.py::test_a_genuine_token_about_somebody_else_is_refused",
        "scheme/test_jwt.py::test_all_claims_have_to_hold",
        "scheme/test_jwt.py::test_a_token_has_its_time",
    ),
    "an empty claim is a rank": (
        "scheme/test_token_rules.py::test_rules_that_let_too_many_in_are_no_rules",
        "scheme/test_jwt.py::test_a_claim_is_compared_as_it_is_spelt",
    ),
    "the caller chooses the algorithm": (
        "scheme/test_traps.py::test_the_algorithm_is_the_descriptors_and_never_the_headers",
        "scheme/test_traps.py::test_a_prefix_that_names_another_algorithm_is_no_descriptor",
        "scheme/test_traps.py::test_an_asymmetric_key_of_another_kind_is_unusable",
        "scheme/test_sns.py::test_the_hash_function_is_the_endpoints_word_and_not_the_messages",
        "scheme/test_jwt.py::test_an_unsigned_token_is_refused",
        "scheme/test_jwt.py::test_a_public_key_is_no_shared_secret",
        "scheme/test_jwt.py::test_a_token_that_brings_its_own_key_or_rules_is_refused",
        "scheme/test_jwt.py::test_the_key_id_is_exact",
    ),
    "calls are repeated": (
        "scheme/test_replay.py::test_another_spelling_of_a_signature_makes_no_other_call",
        "scheme/test_replay.py::test_the_other_ecdsa_signature_over_a_message_makes_no_other_call",
        "scheme/test_traps.py::test_the_tolerance_is_symmetric_and_exact",
        "scheme/test_traps.py::test_freshness_is_judged_only_after_the_signature_matched",
        "scheme/test_traps.py::test_a_signed_timestamp_of_another_spelling_is_refused",
        "receiver/test_replay.py::test_a_repeated_call_is_answered_200_and_not_delivered_again",
    ),
    "libraries read numbers, base64 and text laxly, or raise": (
        "scheme/test_traps.py::test_a_signed_timestamp_of_another_spelling_is_refused",
        "scheme/test_traps.py::test_base64_has_one_spelling",
        "scheme/test_properties.py::test_any_bytes_anywhere_get_a_verdict",
        "scheme/test_direct.py::test_both_ways_answer_the_same",
    ),
    "an answer tells the expected signature": (
        "receiver/test_status_table.py::test_every_bad_credential_gets_the_same_bytes",
        "receiver/test_calls.py::test_nothing_that_was_sent_or_is_secret_is_ever_told",
    ),
    "the URL is the secret, and logs have it": (
        "receiver/test_process.py::test_a_process_says_nothing_secret",
        "receiver/test_forwarding.py::test_a_query_that_carries_the_senders_token_stays_here",
        "receiver/test_calls.py::test_calls_to_no_endpoint_are_counted_without_their_path",
    ),
    "bodies without bound before authentication": (
        "receiver/test_status_table.py::test_a_body_up_to_the_limit_passes",
        "receiver/test_status_table.py::test_a_declared_length_over_the_limit_is_refused_before_the_body_is_sent",
        "receiver/test_status_table.py::test_a_chunked_body_over_the_limit_gets_413",
        "receiver/test_edge.py::test_a_length_that_lies_long_never_reaches_the_target",
        "receiver/test_edge.py::test_bodies_that_were_refused_leave_nothing_behind",
        "receiver/test_edge.py::test_a_head_that_is_not_finished_in_time_is_given_up",
    ),
    "parsers of frameworks": (
        "receiver/test_edge_streams.py::test_a_body_in_chunks_of_one_byte_reaches_the_target",
        "receiver/test_edge_streams.py::test_many_trailers_are_given_up",
        "receiver/test_edge.py::test_a_call_that_offers_an_upgrade_is_refused_and_its_body_is_no_second_call",
        "receiver/test_status_table.py::test_a_signature_in_a_trailer_is_no_credential",
    ),
    "bombs that are unpacked": (
        "receiver/test_forwarding.py::test_a_compressed_body_is_not_decompressed",
        "scheme/test_inputs.py::test_what_is_no_small_json_document_is_not_read",
        "scheme/test_inputs.py::test_forms_are_decoded_and_bounded",
    ),
    "one poisoned object stops all": (
        "receiver/test_table.py::test_a_broken_binding_in_a_full_list_takes_no_other_along",
        "cluster/test_tenancy.py::test_a_pile_of_broken_endpoints_stops_nobody_else",
    ),
    "a deputy is led into another namespace": (
        "cluster/test_tenancy.py::test_no_field_leads_into_another_namespace",
        "cluster/test_tenancy.py::test_a_secret_without_our_label_is_never_used",
        "control/test_references.py::test_a_secret_of_another_namespace_is_out_of_reach",
    ),
    "a target leads inside": (
        "receiver/test_pure.py::test_metadata_and_local_networks_are_never_dialled",
        "receiver/test_dial.py::test_a_name_is_not_resolved_again_between_judging_and_connecting",
        "receiver/test_dial.py::test_odd_spellings_of_this_host_lead_nowhere_in_a_pod",
        "receiver/test_forwarding.py::test_a_redirect_is_not_followed",
        "receiver/test_forwarding.py::test_end_to_end_headers_arrive_unchanged_and_no_others_are_added",
        "cluster/test_tenancy.py::test_a_url_that_is_not_offered_is_no_target",
    ),
    "a handshake leads elsewhere": (
        "receiver/test_confirm.py::test_a_question_is_confirmed_at_the_regions_own_host_and_not_delivered",
        "receiver/test_confirm.py::test_by_default_a_question_is_delivered_like_any_other_message",
        "receiver/test_confirm.py::test_an_unsigned_question_reaches_nobody",
        "scheme/test_sns.py::test_the_url_that_a_question_brings_along_is_not_looked_at",
        "control/test_platform.py::test_receivers_confirm_subscriptions_only_where_the_platform_lets_them",
    ),
    "a challenge is reflected as a page": (
        "scheme/test_verify_token.py::test_any_other_verify_token_is_forbidden",
        "scheme/test_handshake.py::test_what_a_browser_or_a_header_could_misread_is_not_repeated",
        "scheme/test_handshake.py::test_every_answer_is_marked_so_that_no_browser_runs_it",
    ),
    "two paths lead to one endpoint": (
        "receiver/test_edge.py::test_odd_request_lines_reach_nothing",
        "receiver/test_table.py::test_a_contested_path_serves_none_of_its_claimants",
    ),
    "of two headers one is chosen": (
        "scheme/test_traps.py::test_a_header_that_the_scheme_reads_may_not_come_twice",
        "scheme/test_jwt.py::test_a_token_may_not_come_twice",
    ),
    "requests are smuggled": (
        "receiver/test_smuggling.py::test_a_head_that_hides_a_second_request_is_refused_and_hides_none",
        "receiver/test_edge.py::test_a_head_that_two_readers_could_understand_differently_is_refused",
        "receiver/test_edge.py::test_a_request_without_host_is_refused",
    ),
    "bodies are parsed and written anew": (
        "receiver/test_forwarding.py::test_the_target_gets_the_bytes_that_were_signed",
        "scheme/test_inputs.py::test_a_repeated_member_is_ambiguous_where_it_stands_and_only_there",
        "scheme/test_traps.py::test_a_body_field_that_occurs_twice_is_not_chosen_from",
    ),
    "what a target answers acts in our name": (
        "receiver/test_status_table.py::test_everything_else_of_the_target_is_a_bad_gateway",
        "receiver/test_forwarding.py::test_only_harmless_headers_of_the_target_reach_the_sender",
        "receiver/test_status_table.py::test_an_answer_over_the_limit_is_a_bad_gateway",
    ),
    "a broker takes anybody's word": (
        "receiver/test_shared_store.py::test_the_store_holds_no_more_than_hashes_and_only_for_the_window",
        "receiver/test_shared_store.py::test_a_store_behind_tls_is_verified",
    ),
    "a user's text gets into the gateway's configuration": (
        "control/test_routes.py::test_class_certificate_and_annotations_are_the_platform_s_data",
        "control/test_routes.py::test_an_ingress_leads_exactly_one_path_of_one_host_to_the_receivers",
        "cluster/test_tenancy.py::test_a_host_of_others_is_refused_and_gets_nothing",
        "cluster/test_crd.py::test_judges",
    ),
    "authentication is off without a word": (
        "control/test_platform.py::test_type_none_is_not_allowed_unless_the_platform_says_so",
        "config/test_corpus.py::test_refuses",
    ),
    "secrets are copied into annotations": (
        "control/test_connection.py::test_it_inherits_no_labels_or_annotations_of_the_endpoint",
        "cluster/test_operator_manners.py::test_secrets_and_paths_stand_where_they_must_and_nowhere_else",
    ),
}
